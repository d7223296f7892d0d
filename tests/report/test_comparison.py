from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.ranking import paired_difference
from eznas.report.comparison import comparison, differences_table, runs_tables
from eznas.report.run_results import RunResults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.run import RunDirectory

TASKS = ["nasbench201/cifar10", "nats_sss/cifar10"]


@pytest.fixture
def runs(tmp_path: Path, finished_run: Callable[..., RunDirectory]) -> dict[str, RunResults]:
    return {
        "good": RunResults.read(finished_run(tmp_path / "good", TASKS, seed=1, noise=0.2)),
        "poor": RunResults.read(finished_run(tmp_path / "poor", TASKS[:1], seed=2, noise=2.0)),
    }


def test_runs_are_compared_on_the_tasks_that_they_share(runs: dict[str, RunResults]) -> None:
    compared = comparison(runs)
    json.dumps(compared, allow_nan=False)
    [difference] = compared["differences"]
    good, poor = (run.tasks[0] for run in runs.values())
    want = paired_difference(good.scores["best"], poor.scores["best"], good.accuracies)
    assert difference == {
        "task": TASKS[0],
        "first": "good",
        "second": "poor",
        "difference": want.difference,
        "low": want.low,
        "high": want.high,
        "n": 40,
    }
    assert want.low > 0
    assert [list(record["tasks"]) for record in compared["runs"]] == [TASKS, TASKS[:1]]
    assert compared["runs"][0]["tasks"][TASKS[1]]["tau"] == runs["good"].best["tasks"][TASKS[1]]["tau"]
    assert compared["notes"] == []


def test_the_order_of_the_networks_does_not_matter(runs: dict[str, RunResults]) -> None:
    task = runs["poor"].tasks[0]
    reverse = replace(
        task,
        architectures=task.architectures[::-1],
        accuracies=task.accuracies[::-1],
        scores={name: scores[::-1] for name, scores in task.scores.items()},
    )
    turned = {**runs, "poor": replace(runs["poor"], tasks=(reverse,))}
    assert comparison(turned)["differences"] == comparison(runs)["differences"]


def test_other_networks_are_not_compared(runs: dict[str, RunResults]) -> None:
    task = runs["poor"].tasks[0]

    def noted(**changes: object) -> list[str]:
        changed = {**runs, "poor": replace(runs["poor"], tasks=(replace(task, **changes),))}  # type: ignore[arg-type]
        compared = comparison(changed)
        assert compared["differences"] == []
        notes: list[str] = compared["notes"]
        return notes

    others = tuple(f"b{place}" for place in range(40))
    prefix = f"good and poor are not compared on {TASKS[0]}: "
    assert noted(architectures=others) == [f"{prefix}their test networks differ."]
    assert noted(accuracies=task.accuracies + 1) == [f"{prefix}the accuracies of their test networks differ."]
    few = np.where(np.arange(40) < 3, task.scores["best"], np.nan)
    assert noted(scores={"best": few}) == [f"{prefix}they share 3 networks with scores, or the scores are constant."]


def test_tables_have_a_column_for_each_task(runs: dict[str, RunResults]) -> None:
    compared = comparison(runs)
    cells = {}
    for columns, rows in runs_tables(compared):
        assert [row[0] for row in rows] == ["good", "poor"]
        cells.update({column: [row[place] for row in rows] for place, column in enumerate(columns)})
    record = runs["good"].best["tasks"][TASKS[1]]
    assert cells["nats_sss\ncifar10"] == [
        f"{record['tau']:.3f} ({record['tau_low']:.3f} to {record['tau_high']:.3f})",
        "-",
    ]
    assert cells["fitness"] == ["least", None]
    columns, [row] = differences_table(compared)
    shown = dict(zip(columns, row, strict=True))
    assert (shown["run"], shown["compared with"], shown["networks"]) == ("good", "poor", 40)
    assert str(shown["difference"]).startswith("+")
