from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "experiments")
    monkeypatch.setattr("eznas.report.render", lambda *_: [])  # which takes longer than the runs
    return importlib.import_module("ablation")


def test_differences_are_paired_by_seed(script: ModuleType) -> None:
    row = script.compared([0.5, 0.7, 0.9], [0.4, 0.7, 0.7])
    assert row["tau"] == pytest.approx(0.7)
    assert row["difference"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / 3**0.5  # Student's t with two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-6)


def test_each_variant_runs_once_for_each_seed(
    script: ModuleType, score_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "VARIANTS", {"all": {}, "without weighted sums": {"weighted_terms": 0}})
    small = {"generations": 2, "population": 40, "offspring": 16, "relative": False}
    monkeypatch.setattr(script, "ALL", {"weighted_terms": 3, **small})
    words = [str(score_file), "--out", str(tmp_path / "runs"), "--seeds", "2", "--json", str(tmp_path / "found.json")]
    result = CliRunner().invoke(script.main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["variants"]["all"]["difference"] == 0
    means = []
    for place in range(2):
        summary = json.loads((tmp_path / "runs" / f"{place}_1" / "summary.json").read_text())
        tasks = summary["best"]["tasks"].values()
        means.append(sum(task["tau"] for task in tasks) / len(tasks))
    assert [taus[1] for taus in found["taus"].values()] == pytest.approx(means)
    monkeypatch.setattr("eznas.evolve", lambda **_: pytest.fail("a finished run was run again"))
    again = CliRunner().invoke(script.main, words, catch_exceptions=False)
    assert again.exit_code == 0
