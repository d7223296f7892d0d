from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result

from eznas.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    synflow, flops = np.exp(rng.normal(size=(2, 80)))
    accuracy = 50 + np.log(synflow) + np.log(flops)
    rows = [f"net{index},{accuracy[index]},{synflow[index]},{flops[index]},ok" for index in range(80)]
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(["architecture,accuracy,synflow,flops,status", *rows]), encoding="utf-8")
    return path


def evolve(*words: str) -> Result:
    small = ("--population", "60", "--offspring", "200", "--workers", "1")
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["evolve", *words, *small])


def test_a_score_file_is_evolved_over(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = evolve("--scores", str(scores), "--generations", "10", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "accuracy of scores.csv" in result.output
    assert "rank0  " in result.output
    assert "The best program is better than every column" in result.output
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["best"]["tau_test"] == pytest.approx(1)  # mul(score.synflow, score.flops)
    assert set(summary["baselines"]) == {"synflow", "flops"}
    resumed = CliRunner().invoke(main, ["evolve", "--resume", str(out), "--generations", "15"])
    assert resumed.exit_code == 0, resumed.output
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["generations"] == 15


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hold-out-task", "nothing"), "unknown task 'nothing'"),
        (("--columns", "synfloww"), "unknown column 'synfloww'; did you mean 'synflow'"),
        (("--split", "1/2"), "--split must be three shares or three numbers"),
        (("--split", "90/20/10"), "must have 120 architectures for --split 90/20/10, it has 80"),
        (("--target", "top1"), "must have the columns architecture and top1"),
        (("--benchmark", "nasbench101"), "unknown option 'benchmark'"),
    ],
)
def test_faulty_options_are_exit_code_2(scores: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    result = evolve("--scores", str(scores), *words, "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "run").exists()


def test_options_of_scores_need_scores(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["evolve", "--split", "0.5/0.2/0.3", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "unknown option 'split'" in result.output
