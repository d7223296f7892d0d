from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from .conftest import write_scores

if TYPE_CHECKING:
    from types import ModuleType

    from click.testing import Result


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "experiments")
    return importlib.import_module("ablation")


def test_differences_are_paired_by_seed(script: ModuleType) -> None:
    failed = script.Outcome(float("nan"), failure="no program")
    taus, whole = [0.5, 0.7, 0.9, 0.1], [0.4, 0.7, 0.7]
    row = script.compared([*map(script.Outcome, taus), failed], [*map(script.Outcome, whole), failed, failed])
    assert row["runs"] == 4
    assert row["tau"] == pytest.approx(0.55)
    assert row["difference"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / 3**0.5  # Student's t with two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-6)


def test_each_variant_runs_once_for_each_seed(
    script: ModuleType, score_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"weighted_terms": 3, "generations": 2, "population": 40, "offspring": 16}
    variants: dict[str, Any] = {"all": {}, "no weighted sums": {"weighted_terms": 0}}
    monkeypatch.setitem(script.BUDGETS, "scores", small)
    monkeypatch.setitem(script.VARIANTS, "scores", variants)

    def ablation() -> Result:
        words = [str(score_file), "--only", "scores", "--out", str(tmp_path / "runs"), "--seeds", "2"]
        return CliRunner().invoke(script.main, [*words, "--json", str(tmp_path / "found.json")])

    result = ablation()
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["scores"]["variants"]
    assert found["all"]["difference"] == 0
    for name, options in variants.items():
        for seed in range(2):
            directory = tmp_path / "runs" / "scores" / name.replace(" ", "_") / str(seed)
            summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
            tasks = summary["best"]["tasks"].values()
            assert found[name]["taus"][seed] == pytest.approx(sum(task["tau"] for task in tasks) / len(tasks))
            assert summary["seed"] == seed
            config = script.EvolutionRun.open(directory).path.joinpath("config.toml").read_text(encoding="utf-8")
            assert f"weighted_terms = {options.get('weighted_terms', 3)}\n" in config
            assert not (directory / "report.html").exists()
    monkeypatch.setattr("eznas.evolve", lambda **_: pytest.fail("a finished run was run again"))
    assert ablation().exit_code == 0

    variants["no weighted sums"] = {"weighted_terms": 2}
    refused = ablation()
    assert refused.exit_code == 2
    assert "must be a run with weighted_terms 2, it has 0; choose another folder with --out" in refused.stderr
    variants["no weighted sums"] = {"weighted_terms": 0}
    write_scores(score_file, seed=1)
    changed = ablation()
    assert changed.exit_code == 2
    assert "must be a run over the same files, their content has changed" in changed.stderr


def test_runs_that_fail_are_counted(
    script: ModuleType, score_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> None:
        raise script.EznasError(f"no program with seed {options['seed']}")

    monkeypatch.setattr("eznas.evolve", fail)
    monkeypatch.setitem(script.VARIANTS, "scores", {"all": {}})
    words = [str(score_file), "--only", "scores", "--out", str(tmp_path), "--json", str(tmp_path / "found.json")]
    result = CliRunner().invoke(script.main, words)
    assert result.exit_code == 1
    assert "5 runs failed and are left out; the first one: no program with seed 0" in result.stderr
    row = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["scores"]["variants"]["all"]
    assert (row["runs"], row["tau"], row["difference"], row["taus"]) == (0, None, None, [None] * 5)


def test_scores_need_a_file(script: ModuleType) -> None:
    result = CliRunner().invoke(script.main, ["--only", "scores"])
    assert (result.exit_code, result.stderr) == (2, "error: SCORES.csv must be given with --only scores\n")
