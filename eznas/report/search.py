"""The results of searches as numbers: a table, the best architectures, and the best accuracy over queries and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.run import RunDirectory


_POINTS = 200

COLUMNS = ("search", "runs", "found", "deviation", "regret", "queries", "seconds", "fewer queries", "fewer seconds")
"""The columns of ``search_rows``."""


@dataclass(frozen=True)
class SearchResults:
    """The content of ``results.json``, and the best value so far in each run.

    Args:
        facts: See ``run_repeats``, as for the next three.
        summary: Means over runs.
        best: The best architectures of all runs.
        runs: The records of the ``r`` runs.
        found: ``r`` arrays: the best accuracy after each query; without accuracies the best value of the signal,
            negated if less is better.
        seconds: ``r`` arrays: the seconds after each query.
        front: The Pareto front of cost and signal over all runs, by cost; the signal is negated as above.
    """

    facts: Mapping[str, Any]
    summary: Mapping[str, Any]
    best: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]
    found: Sequence[NDArray[np.float64]]
    seconds: Sequence[NDArray[np.float64]]
    front: Sequence[tuple[float, float]] = ()

    @property
    def label(self) -> str:
        """The name in legends and tables."""
        return str(self.facts["label"])

    @property
    def target(self) -> str:
        """The reported quantity: an accuracy, or the signal."""
        return str(self.facts["target"] or self.signal)

    @property
    def signal(self) -> str:
        """The quantity that the search maximises."""
        return "signal" if self.facts.get("direction", 1) > 0 else "negative of the signal"

    def by_queries(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ``1 ... q`` and ``r x q`` best values so far; a run that ended early keeps its last value."""
        most = max((len(values) for values in self.found), default=0)
        rows = [np.pad(values, (0, most - len(values)), mode="edge") for values in self.found if len(values)]
        return np.arange(1.0, most + 1), np.array(rows).reshape(len(rows), most)

    def by_seconds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ``t`` times, from the first at which all runs have a query, and ``r x t`` best values so far."""
        runs = [(times, values) for times, values in zip(self.seconds, self.found, strict=True) if len(values)]
        if not self.facts["timed"] or not runs or max(times[-1] for times, _ in runs) <= 0:
            return np.empty(0), np.empty((0, 0))
        first, last = max(times[0] for times, _ in runs), max(times[-1] for times, _ in runs)
        grid = np.geomspace(max(first, 1e-3), max(last, first, 1e-3), _POINTS)
        grid[0] = max(grid[0], first)  # a rounding error must not put it before the first query
        rows = [values[np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)] for times, values in runs]
        return grid, np.array(rows)

    def best_table(self) -> tuple[list[str], list[list[object]]]:
        """Return columns and rows of the best architectures, with the value of the signal as the score."""
        table: dict[str, list[object]] = {"architecture": [entry["architecture"] for entry in self.best]}
        if self.facts["target"]:
            table["accuracy"] = [entry["accuracy"] for entry in self.best]
        if not self.facts.get("signal_is_target"):
            table["score"] = [f"{entry['value']:.6g}" for entry in self.best]
        if any(entry["cost"] is not None for entry in self.best):
            table["cost"] = [None if entry["cost"] is None else f"{entry['cost']:.6g}" for entry in self.best]
        table["in runs"] = [f"{entry['runs']} of {len(self.runs)}" for entry in self.best]
        return list(table), [list(row) for row in zip(*table.values(), strict=True)]


def read_results(directory: RunDirectory) -> SearchResults:
    """Read the ``results.json`` of a search.

    Raises:
        InputError: It is missing or holds something else.
    """
    read = directory.read_json("results.json")
    if not {"facts", "summary", "best", "runs"} <= read.keys():
        raise InputError(
            f"{directory.path}/results.json must hold the results of a search: facts, summary, best and runs"
        )
    steps = [run["steps"] for run in read["runs"]]
    has_target = read["facts"]["target"] is not None
    sign = read["facts"].get("direction", 1)
    costs = [cost for run in steps for cost in run["cost"]]
    values = [value for run in steps for value in (sign * _column(run["value"])).tolist()]
    return SearchResults(
        facts=read["facts"],
        summary=read["summary"],
        best=read["best"],
        runs=read["runs"],
        found=[_column(run["best_accuracy"]) if has_target else sign * _column(run["best_value"]) for run in steps],
        seconds=[_column(run["seconds"]) for run in steps],
        front=_front(zip(costs, values, strict=True)),
    )


def search_rows(searches: Sequence[SearchResults]) -> list[list[object]]:
    """Return one row per search with the columns ``COLUMNS``; the last search is the baseline of the speed-ups.

    A speed-up divides the cost at which the baseline's mean over runs reaches its final value by the cost at which this
    search's mean reaches the same value; None if it never does.
    """
    baseline = searches[-1]
    rows: list[list[object]] = []
    for search in searches:
        summary = search.summary
        value = "value_mean" if summary["accuracy_mean"] is None else "accuracy_mean"
        figures = [
            summary[name] for name in ("runs", value, "accuracy_std", "regret_mean", "queries_mean", "seconds_mean")
        ]
        speed_ups = [
            _speed_up(search, baseline, seconds=seconds) if len(searches) > 1 else None for seconds in (False, True)
        ]
        rows.append([search.label, *figures, *speed_ups])
    return rows


def search_table(searches: Sequence[SearchResults]) -> tuple[list[str], list[list[object]]]:
    """Return the columns and rows of ``search_rows``, without the columns that have no value."""
    rows = search_rows(searches)
    for row in rows:
        if not searches[0].facts["target"] and isinstance(row[2], float):
            row[2] = f"{row[2]:.6g}"  # a signal may have any magnitude
    kept = [index for index in range(len(COLUMNS)) if any(row[index] is not None for row in rows)]
    return [COLUMNS[index] for index in kept], [[row[index] for index in kept] for row in rows]


def _speed_up(search: SearchResults, baseline: SearchResults, *, seconds: bool) -> float | None:
    _, rows = baseline.by_queries()
    final = float(rows[:, -1].mean()) if rows.size else float("nan")
    cost, needed = (_cost_of(one, final, seconds=seconds) for one in (baseline, search))
    return cost / needed if cost and needed else None


def _cost_of(search: SearchResults, level: float, *, seconds: bool) -> float | None:
    """Return the cost at which the mean over runs reaches a level; a run without a result yet is below every level."""
    costs, rows = search.by_seconds() if seconds else search.by_queries()
    if not rows.size:
        return None
    reached = np.flatnonzero(rows.mean(axis=0) >= level - 1e-9)
    return float(costs[reached[0]]) if reached.size else None


def _front(pairs: Iterable[tuple[float | None, float]]) -> list[tuple[float, float]]:
    front: list[tuple[float, float]] = []
    known = {(cost, value) for cost, value in pairs if cost is not None and not np.isnan(value)}
    for cost, value in sorted(known, key=lambda pair: (pair[0], -pair[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def _column(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
