"""Evolutions beside one another: the best program of each run on every task, and paired differences between runs."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.ranking import paired_difference
from eznas.report.html import cell, interval, seconds, signed, signed_interval
from eznas.report.run_results import figure_of
from eznas.report.run_text import fitted, heading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.report.run_results import RunResults, TaskResults
    from eznas.report.run_text import Table


_TASK = ("tau", "tau_low", "tau_high", "rho", "tau_equal_size", "precision_top10", "ndcg", "n")


def comparison(runs: Mapping[str, RunResults]) -> dict[str, Any]:
    """Compare the best programs of runs.

    Two runs are compared on each task that both have with the same test architectures and accuracies, by a paired
    bootstrap over the architectures on which both programs have a score.

    Args:
        runs: Finished runs by their names.

    Returns:
        An object for JSON: ``runs``, a record for each run; ``differences``, a record for each pair of runs and task;
        and ``notes``, a sentence for each task of a pair that cannot be compared.
    """
    differences, notes = [], []
    for (first, one), (second, other) in itertools.combinations(runs.items(), 2):
        others = {task.name: task for task in other.tasks}
        for task in one.tasks:
            if task.name not in others:
                continue
            difference = _difference(task, others[task.name])
            if isinstance(difference, str):
                notes.append(f"{first} and {second} are not compared on {task.name}: {difference}.")
            else:
                differences.append({"task": task.name, "first": first, "second": second, **difference})
    return {"runs": [_record(name, run) for name, run in runs.items()], "differences": differences, "notes": notes}


def runs_tables(compared: Mapping[str, Any]) -> list[Table]:
    """Return the runs as tables for a terminal, one column for each task."""
    runs = compared["runs"]
    columns: dict[str, list[object]] = {
        "tasks": [len(run["tasks"]) for run in runs],
        "minutes": [f"{run['seconds'] / 60:.1f}" for run in runs],
        "nodes": [run["best"]["complexity"] for run in runs],
        "seconds": [seconds(run["best"]["seconds"]) for run in runs],
        **({"fitness": [run["fitness"] for run in runs]} if any(run["fitness"] for run in runs) else {}),
        "tau": [run["best"]["tau_test"] for run in runs],
    }
    for task in dict.fromkeys(name for run in runs for name in run["tasks"]):
        figures = [run["tasks"].get(task) or {} for run in runs]
        name = heading({"name": task, "held_out": any(figure.get("held_out") for figure in figures)})
        columns[name] = [tau_and_interval(figure) for figure in figures]
    return fitted("run", [run["run"] for run in runs], columns)


def tau_and_interval(figures: Mapping[str, Any]) -> str:
    """Write a tau with its interval as one cell."""
    if figures.get("tau") is None:
        return "-"
    return f"{cell(figures['tau'])} ({interval(figures['tau_low'], figures['tau_high'])})"


def differences_table(compared: Mapping[str, Any]) -> Table:
    """Return the columns and rows of the paired differences."""
    columns = ["task", "run", "compared with", "difference", "95 %", "networks"]
    rows: list[list[object]] = [
        [
            record["task"],
            record["first"],
            record["second"],
            signed(record["difference"]),
            signed_interval(record["low"], record["high"]),
            record["n"],
        ]
        for record in compared["differences"]
    ]
    return columns, rows


def _record(name: str, run: RunResults) -> dict[str, Any]:
    best = run.best
    return {
        "run": name,
        "verdict": run.verdict["sentence"],
        "fitness": run.summary["fitness"] if len(run.tasks) > 1 else None,
        "seed": run.summary["seed"],
        "seconds": run.summary["seconds"],
        "generations": run.summary["generations"],
        "stopped_by": run.summary["stopped_by"],
        "command": run.summary["command"],
        "best": {key: best.get(key) for key in ("program", "complexity", "seconds", "tau_test", "tau_validation")},
        "tasks": {
            task.name: {**{key: figure_of(best, task.name, key) for key in _TASK}, "held_out": task.held_out}
            for task in run.tasks
        },
    }


def _difference(one: TaskResults, other: TaskResults) -> dict[str, Any] | str:
    """Return the paired difference of the best programs of two runs on a task, or why there is none."""
    places = {architecture: place for place, architecture in enumerate(other.architectures)}
    if set(places) != set(one.architectures):
        return "their test networks differ"
    order = [places[architecture] for architecture in one.architectures]
    if not np.array_equal(one.accuracies, other.accuracies[order]):
        return "the accuracies of their test networks differ"
    first, second = one.scores["best"], other.scores["best"][order]
    both = np.isfinite(first) & np.isfinite(second)
    found = paired_difference(first[both], second[both], one.accuracies[both])
    if math.isnan(found.low):
        return f"they share {found.n} networks with scores, or the scores are constant"
    return {"difference": found.difference, "low": found.low, "high": found.high, "n": found.n}
