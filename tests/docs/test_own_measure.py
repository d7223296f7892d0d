"""The value of the measure in the tutorial, by hand; ``test_tutorials.py`` runs the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from eznas.scoring.plugin import load_plugin, use_plugins
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "my_measure.py"


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    yield
    use_plugins({})


def test_its_value_by_hand() -> None:
    assert load_plugin(EXAMPLE) == {"measure": ("confidence",)}
    minibatch = sample_minibatch(4, 2)
    logits = minibatch.images.flatten(1)
    expected = sum(float(row.max() - row.mean()) for row in logits) / 4
    assert measure(nn.Flatten(), minibatch, ["confidence"])["confidence"].value == pytest.approx(expected)
    one_class = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    assert measure(one_class, minibatch, ["confidence"])["confidence"].status is Status.NON_FINITE
    assert not torch.is_inference_mode_enabled()
