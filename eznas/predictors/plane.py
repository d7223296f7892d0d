"""The plane of initialisation time and query time: which predictor is best for how many seconds of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.predictors.evaluation_data import Row


def with_costs(summary: Sequence[Row]) -> list[Row]:
    """Return the rows that have a tau and both times."""
    needed = ("tau", "initialisation_seconds", "query_seconds")
    return [row for row in summary if all(row.get(name) is not None for name in needed)]


def best_within(rows: Sequence[Row], initialisation: float, query: float) -> Row | None:
    """Return the row of the highest tau that costs at most these seconds; None where none is so cheap.

    Of equal rows the first is the best.

    Args:
        rows: Rows of ``with_costs``.
        initialisation: Seconds before the first prediction.
        query: Seconds of a prediction.
    """
    cheap = [row for row in rows if row["initialisation_seconds"] <= initialisation and row["query_seconds"] <= query]
    return max(cheap, key=lambda row: row["tau"], default=None)


def best_by_cost(summary: Sequence[Row]) -> list[Row]:
    """Return the rows that are the best within their own costs, by initialisation and then query time."""
    rows = with_costs(summary)
    best = [row for row in rows if best_within(rows, row["initialisation_seconds"], row["query_seconds"]) is row]
    return sorted(best, key=lambda row: (row["initialisation_seconds"], row["query_seconds"]))
