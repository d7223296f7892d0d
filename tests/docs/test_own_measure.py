"""The value of the measure in the tutorial, by hand; ``test_pages.py`` runs the commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from eznas.measures import MEASURES
from eznas.scoring import plugin
from eznas.scoring.plugin import load_plugin
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import sample_minibatch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / "own_measure.md"


def test_its_value_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASURES, "_records", {name: MEASURES[name] for name in MEASURES})
    monkeypatch.setattr(plugin, "_loaded", {})
    text = PAGE.read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n# my_measure\.py\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    file = tmp_path / "my_measure.py"
    file.write_text(code, encoding="utf-8")
    assert load_plugin(file) == ("confidence",)
    minibatch = sample_minibatch(4, 2)
    logits = minibatch.images.flatten(1)
    expected = sum(float(row.max() - row.mean()) for row in logits) / 4
    assert measure(nn.Flatten(), minibatch, ["confidence"])["confidence"].value == pytest.approx(expected)
    one_class = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    assert measure(one_class, minibatch, ["confidence"])["confidence"].status is Status.NON_FINITE
    assert not torch.is_inference_mode_enabled()
