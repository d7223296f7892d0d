"""The measure that the README shows, as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from eznas.cli import score, verify
from eznas.scoring.plugin import load_plugin, use_plugins
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    [(name, code)] = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    Path(name).write_text(code, encoding="utf-8")
    yield str(name)
    use_plugins({})


def test_its_value_by_hand(file: str) -> None:
    assert load_plugin(file) == {"measure": ("confidence",)}
    minibatch = sample_minibatch(4, 2)
    network = nn.Flatten()
    logits = minibatch.images.flatten(1)
    expected = sum(float(row.max() - row.mean()) for row in logits) / 4
    assert measure(network, minibatch, ["confidence"])["confidence"].value == pytest.approx(expected)
    single = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    assert measure(single, minibatch, ["confidence"])["confidence"].status is Status.NON_FINITE
    assert not torch.is_inference_mode_enabled()


def test_the_commands_run(file: str) -> None:
    lines = [shlex.split(line) for line in README.splitlines() if f"--plugin {file}" in line]
    assert [line[:3] for line in lines] == [["python", "-m", "eznas.score"], ["python", "verify_scores.py", "--plugin"]]
    result = CliRunner().invoke(score.main, [*lines[0][3:], "--json", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)["scores"]
    assert found["status"] == "ok"
    assert found["score"] > 0
    few = ["--n_samples", "3", "--batch_size", "2", "--device", "cpu"]
    result = CliRunner().invoke(verify.main, [*lines[1][2:], *few])
    assert result.exit_code == 0, result.output
    assert "confidence" in result.output
