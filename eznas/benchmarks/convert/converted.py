"""What a converter gives: architectures, and every number that the official file has for each.

Points of a learning curve are columns too: ``test_200@8`` is the test accuracy after 8 of 200 epochs. Tables keep the
epochs that are powers of two, unless every one is asked for.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from eznas.benchmarks.table import AccuracyTable
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.benchmarks.table import Target
    from eznas.spaces import SearchSpace

__all__ = ["Converted", "curve", "gather", "mean_row", "only", "parsed"]


@dataclass(frozen=True)
class Converted:
    """The contents of official files, for one data set.

    Args:
        architectures: Official strings, without duplicates.
        columns: ``n`` numbers each, NaN where the file has none.
        usual: The column that is the accuracy unless another one is asked for.
        target: Which accuracy that is.
        notes: What a reader should know, in sentences.
    """

    architectures: tuple[str, ...]
    columns: dict[str, NDArray[np.float64]]
    usual: str
    target: Target
    notes: tuple[str, ...] = field(default=())

    def table(self, benchmark: str, space: str, source: str, digest: str) -> AccuracyTable:
        """Return the table; architectures without the usual accuracy are left out.

        Raises:
            InputError: None has one.
        """
        usual = self.columns[self.usual]
        kept = np.flatnonzero(np.isfinite(usual))
        if not kept.size:
            raise InputError(f"{source} must have {self.usual} of some architecture, it has none")
        return AccuracyTable(
            benchmark=benchmark,
            space=space,
            target=self.target,
            architectures=tuple(self.architectures[index] for index in kept),
            accuracies=usual[kept],
            source=source,
            digest=digest,
            columns={name: column[kept] for name, column in self.columns.items()},
        )


def gather(rows: Sequence[dict[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of rows, in the order in which their names appear; NaN where a row has no such number."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in names}


def curve(column: str, values: Iterable[float | None], *, every_epoch: bool = False) -> dict[str, float]:
    """Return the points of a learning curve as columns, without the last, which is the column itself.

    Args:
        column: That of the whole training, such as ``test_200``.
        values: After each epoch; None where it was not looked at.
        every_epoch: Whether all are kept, and not only those at powers of two.
    """
    points = list(enumerate(values, 1))[:-1]
    return {
        f"{column}@{epoch}": value
        for epoch, value in points
        if value is not None and (every_epoch or epoch & (epoch - 1) == 0)
    }


def mean_row(trained: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the means over the trainings of an architecture, and their number as ``trainings``."""
    names = dict.fromkeys(name for row in trained for name in row)
    means = {name: statistics.fmean([row[name] for row in trained if name in row]) for name in names}
    return means | {"trainings": float(len(trained))}


def only(files: Sequence[Path], what: str) -> Path:
    """Return the one file that there must be.

    Raises:
        InputError: There are more.
    """
    if len(files) != 1:
        raise InputError(f"{what} must be converted from one file, got {len(files)}")
    return files[0]


def parsed(space: SearchSpace, text: str, place: str) -> str:
    """Return the official string of an architecture in a file.

    Raises:
        InputError: It is none; the message begins with the place.
    """
    try:
        return space.parse(text)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
