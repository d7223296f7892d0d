"""Tau of measures on transformers, also on pairs of equal size; ``python experiments/transformers.py --help``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.rank_metrics import tau_equal_size
from eznas.ranking import correlate
from eznas.report.html import interval
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EPILOG = """\b
Examples:
  eznas verify --benchmark flexibert --fidelity short_texts --images noise --batch-size 8 --samples 0 \\
    --proxy all --csv flexibert.csv
  python experiments/transformers.py flexibert.csv
"""
RESAMPLES = 500


@click.command(cls=Command, epilog=EPILOG)
@click.argument("scores", type=Path)
def main(scores: Path) -> None:
    """Print tau of each column of a score file of eznas verify, and tau on pairs of equal size, with 95 % intervals.

    The file must have the column params, the size. Rows without an accuracy are left out.
    """
    _, accuracies, columns = _read(scores)
    click.echo("| measure | n | tau (95 %) | tau on pairs of equal size (95 %) |\n|---|---|---|---|")
    sizes = columns["params"]
    lines = []
    for name, column in columns.items():
        known = np.isfinite(column)
        if known.sum() < 10 or np.ptp(column[known]) == 0:  # noqa: PLR2004 - too few for an interval
            continue
        found = correlate(column[known], accuracies[known])
        equal, low, high = equal_size(column[known], accuracies[known], sizes[known])
        cells = f"{found.tau:.3f} ({interval(found.tau_low, found.tau_high)}) | {equal:.3f} ({interval(low, high)})"
        lines.append((found.tau, f"| {name} | {found.n} | {cells} |"))
    for _, line in sorted(lines, reverse=True):
        click.echo(line)


def equal_size(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return tau on pairs whose sizes differ by at most 10 %, and the ends of its bootstrap interval."""
    rng = numpy_rng(0, "bootstrap")
    draws = (rng.integers(len(scores), size=len(scores)) for _ in range(RESAMPLES))
    taus = [tau_equal_size(scores[draw], accuracies[draw], sizes[draw]) for draw in draws]
    low, high = np.nanquantile(taus, [0.025, 0.975])
    return tau_equal_size(scores, accuracies, sizes), float(low), float(high)


def _read(path: Path) -> tuple[list[str], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return the architectures, the accuracies and the scores of a file, NaN where there is none."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("accuracy")]
    if not rows or "params" not in rows[0]:
        raise InputError(f"{path} must have rows with the columns architecture, accuracy and params")
    names = [name for name in rows[0] if name not in ("architecture", "accuracy", "status")]
    return [row["architecture"] for row in rows], _numbers(rows, "accuracy"), {n: _numbers(rows, n) for n in names}


def _numbers(rows: Sequence[dict[str, str]], name: str) -> NDArray[np.float64]:
    return np.array([float(row[name] or "nan") for row in rows])


if __name__ == "__main__":
    main(prog_name="python experiments/transformers.py")
