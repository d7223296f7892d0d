from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from eznas.errors import InputError

from .conftest import TASKS, write_scores

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "experiments")
    monkeypatch.setattr("eznas.report.render", lambda *_: [])  # which takes longer than the runs
    return importlib.import_module("leave_one_out")


def figures(script: ModuleType, score_file: Path, folder: Path, by: str) -> dict[str, Any]:
    words = ["run", str(score_file), "--by", by, "--generations", "5", "--workers", "1"]
    words += ["--runs", str(folder / "runs"), "--json", str(folder / "figures.json")]
    result = CliRunner().invoke(script.main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return found


def test_each_task_is_held_out_once_and_finished_folds_are_kept(
    script: ModuleType, score_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = figures(script, score_file, tmp_path, "task")
    assert [row["task"] for row in found["tasks"]] == list(TASKS)
    for row in found["tasks"]:
        name = f"task_{row['task'].replace('/', '_')}_0"
        summary = json.loads((tmp_path / "runs" / name / "summary.json").read_text(encoding="utf-8"))
        assert [task["name"] for task in summary["tasks"] if task["held_out"]] == [row["task"]]
        assert row["taus"]["formula"] == summary["best"]["tasks"][row["task"]]["tau"]
        others = {column: summary["baselines"][column]["tau_train"] for column in summary["columns"]}
        assert row["chosen"] == max(others, key=lambda column: others[column])
        assert row["interval"][0] <= row["taus"]["formula"] <= row["interval"][1]
        assert row["taus"][row["hindsight"]] >= row["taus"][row["chosen"]]
    mean = sum(row["taus"]["formula"] for row in found["tasks"]) / 3
    assert found["mean"]["formula"] == pytest.approx(mean)
    assert found["mean"]["flops"] is None  # no such column
    monkeypatch.setattr("eznas.evolve", lambda **_: pytest.fail("a finished fold was run again"))
    assert figures(script, score_file, tmp_path, "task") == found
    assert (found["split"], found["time_budget"], found["generations"]) == ("0.4/0.2/0.4", 120.0, 5)
    with pytest.raises(InputError, match=r"must be a run with split '0\.3/0\.2/0\.4', it has '0\.4/0\.2/0\.4'"):
        script.evolved(
            script.read_score_tables([score_file]), TASKS[:1], tmp_path / "runs" / "task_space_a_0",
            split="0.3/0.2/0.4", time_budget="2m", generations=5
        )  # fmt: skip
    write_scores(score_file, seed=1)
    with pytest.raises(InputError, match="must be a run over the same files, their content has changed"):
        script.evolved(
            script.read_score_tables([score_file]), TASKS[:1], tmp_path / "runs" / "task_space_a_0",
            split="0.4/0.2/0.4", time_budget="2m", generations=5
        )  # fmt: skip


def test_undefined_taus_are_none(script: ModuleType) -> None:
    scores = np.arange(20.0)
    failed = np.where(scores == 3, np.nan, scores)
    fold = {
        "task": "a", "architectures": 20, "chosen": None, "hindsight": "flops", "taus": {"formula": None, "flops": 1.0},
        "scores": {"accuracy": scores, "formula": failed, "flops": scores},
    }  # fmt: skip
    rows, totals = script.summarised([fold], 0)
    assert rows[0]["interval"] == rows[0]["difference_interval"] == totals["interval"] == (None, None)
    assert totals["formula"] is totals["chosen"] is None
    assert totals["flops"] == 1
    json.dumps([rows, totals], allow_nan=False)


def test_a_space_is_held_out_as_a_whole(script: ModuleType, score_file: Path) -> None:
    table = script.read_score_tables([score_file])
    assert script.folds(table, "space") == {"space": ["space/a", "space/b"], "other": ["other/c"]}


def test_published_columns_become_a_score_file(script: ModuleType, tmp_path: Path) -> None:
    columns = {
        "arch": ["(0,)", "(1,)", "(0,)"],
        "val_accuracy": [90.0, 91.0, 92.0],
        "synflow": [1.0, -1e8, 3.0],
        "flops": [5.0, None, 7.0],
        "seconds": {"synflow": 0.1},
    }
    source = tmp_path / "columns.json.gz"
    source.write_bytes(gzip.compress(json.dumps({"nasbench201": {"cifar10": columns}}).encode()))
    script.convert.callback(source, tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines() == [
        "task,architecture,accuracy,flops,synflow",
        'nasbench201/cifar10,"(0,)",90.0,5.0,1.0',
        'nasbench201/cifar10,"(1,)",91.0,,',
    ]
