"""Tau of scores on transformers, also on pairs of networks of equal size, and their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from eznas.ranking import correlate
from eznas.report.html import interval
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray[np.float64]]

RESAMPLES = 1000
TOLERANCE = 0.1
"""Two networks are of about equal size if their numbers of parameters differ by at most this share."""
FEWEST = 10
"""The smallest number of values of a measure that has a row."""
_DIGITS = 4


@dataclass(frozen=True)
class Scored:
    """The scores of the networks of a space.

    Args:
        architectures: ``n`` architectures.
        accuracies: ``n`` accuracies.
        columns: By program or measure, ``n`` scores, NaN where there is none.
        features: By feature, ``n`` numbers of the architectures.
        extra: By column of the table of accuracies, ``n`` numbers.
        facts: The accuracies' target, and how the networks ran.
    """

    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    columns: Columns
    features: Columns
    extra: Columns
    facts: dict[str, str]


def table_rows(scored: Scored, measures: list[str], seed: int) -> list[dict[str, Any]]:
    """Return the figures of measures, features and further columns of the table, in the order of tau."""
    named = {
        **{name: scored.columns[name] for name in measures},
        **{f"{name}, as published": values for name, values in scored.extra.items()},
        **{f"graf.{name}": values for name, values in scored.features.items()},
    }
    rows = [figures(name, values, scored, seed) for name, values in named.items()]
    return sorted(rows, key=lambda row: 2.0 if row["tau"] is None else -row["tau"])


def figures(name: str, values: NDArray[np.float64], scored: Scored, seed: int) -> dict[str, Any]:
    """Return tau and rho of scores, also tau on pairs of equal size; None without values that differ."""
    known = np.isfinite(values)
    row: dict[str, Any] = {"name": name, "n": int(known.sum())}
    if known.sum() < FEWEST or np.ptp(values[known]) == 0:
        return {**row, "tau": None}
    accuracies, sizes = scored.accuracies[known], scored.columns["params"][known]
    found = correlate(values[known], accuracies, seed=seed)
    equal, low, high = equal_size(values[known], accuracies, sizes, seed)
    numbers = {"tau": found.tau, "low": found.tau_low, "high": found.tau_high, "rho": found.rho}
    numbers |= {"equal_size": equal, "equal_size_low": low, "equal_size_high": high}
    return {**row, **{key: rounded(value) for key, value in numbers.items()}}


def equal_size(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], sizes: NDArray[np.float64], seed: int
) -> tuple[float, float, float]:
    """Return tau on the pairs of about equal size, and its 95 % percentile bootstrap interval over networks.

    Tau is that of ``eznas.rank_metrics.tau_equal_size``. A resample is the number of times that it has each network, so
    that all resamples take three products of matrices.
    """
    count = len(scores)
    near = np.maximum(sizes[:, None], sizes) <= (1 + TOLERANCE) * np.minimum(sizes[:, None], sizes)
    by_score = np.sign(scores[:, None] - scores) * near
    by_accuracy = np.sign(accuracies[:, None] - accuracies) * near
    drawn = numpy_rng(seed, "bootstrap").integers(0, count, (RESAMPLES, count))
    times = np.stack([np.ones(count), *(np.bincount(draw, minlength=count) for draw in drawn)]).astype(np.float64)
    agreement, of_score, of_accuracy = (
        ((times @ pairs) * times).sum(axis=1)
        for pairs in (by_score * by_accuracy, np.abs(by_score), np.abs(by_accuracy))
    )
    with np.errstate(invalid="ignore"):  # a resample without such pairs has no tau
        taus = agreement / np.sqrt(of_score * of_accuracy)
    defined = taus[1:][np.isfinite(taus[1:])]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    return float(taus[0]), float(low), float(high)


def rounded(value: float | None) -> float | None:
    """Return a number of four digits, None where it is undefined."""
    return None if value is None or not np.isfinite(value) else round(value, _DIGITS)


def print_figures(title: str, rows: list[dict[str, Any]]) -> None:
    """Print the table of measures, and the names of those without a value."""
    click.echo(f"### {title}\n\n| measure | n | tau (95 %) | rho | tau on pairs of equal size (95 %) |")
    click.echo("|---|---|---|---|---|")
    for row in rows:
        if row["tau"] is not None:
            low, high = row["equal_size_low"], row["equal_size_high"]
            equal = "-" if row["equal_size"] is None else f"{row['equal_size']:.3f} ({interval(low, high)})"
            tau = f"{row['tau']:.3f} ({interval(row['low'], row['high'])})"
            click.echo(f"| {row['name']} | {row['n']} | {tau} | {row['rho']:.3f} | {equal} |")
    without = [f"{row['name']} ({row['n']})" for row in rows if row["tau"] is None]
    click.echo(f"\nWithout different values: {', '.join(without) or 'none'}\n")


def print_tests(rows: list[dict[str, Any]]) -> None:
    """Print tau of each evolution's formula on the half that it did not see, beside its rivals."""
    rivals = [name for name, value in rows[0].items() if isinstance(value, dict)]
    click.echo(f"| evolution | n | tau (95 %) | {' | '.join(rivals)} |\n|---|---|---|{'---|' * len(rivals)}")
    for row in rows:
        cells = [
            f"{row[name]['name']} {row[name]['tau']:.3f}, {row[name]['difference']:+.3f} "
            f"({interval(row[name]['low'], row[name]['high'])})"
            for name in rivals
        ]
        tau = f"{row['tau']:.3f} ({interval(row['low'], row['high'])})"
        click.echo(f"| {row['evolution']} | {row['n']} | {tau} | {' | '.join(cells)} |")
    click.echo()
