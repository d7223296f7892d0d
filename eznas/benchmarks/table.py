"""Accuracy tables: trained accuracies of architectures, and the target that they are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


_CURVED = re.compile(r"[a-z_]+_(\d+)")


@dataclass(frozen=True)
class Target:
    """The accuracy that a table holds; every report prints it.

    Args:
        dataset: The data set, such as ``"cifar10"``.
        split: ``"validation"``, ``"test"``, or ``"unknown"`` where the file does not say.
        epochs: Epochs of training; None where the file does not say.
        training_seeds: The number and seeds of the averaged trainings, in words.
    """

    dataset: str
    split: str
    epochs: int | None
    training_seeds: str

    def __str__(self) -> str:
        epochs = f"{self.epochs} epochs" if self.epochs else "epochs not stated"
        return f"{self.dataset} {self.split} accuracy, {epochs}, {self.training_seeds}"


@dataclass(frozen=True)
class AccuracyTable:
    """Accuracies in percent over architectures of one space.

    Args:
        benchmark: The benchmark's name.
        space: The search space's name.
        target: The accuracy that the table holds.
        architectures: Official strings, without duplicates, in the table's order.
        accuracies: ``n`` accuracies in percent, all finite.
        source: The file or package of the table.
        digest: SHA-256 of that file.
        columns: Further numeric columns, ``n`` each; points of learning curves have names such as ``test_200@8``.
    """

    benchmark: str
    space: str
    target: Target
    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    source: str
    digest: str
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.architectures)

    def __repr__(self) -> str:
        return f"<AccuracyTable {self.benchmark}: {len(self):,} architectures, {self.target}, from {self.source}>"

    def curve(self, column: str) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """Return the learning curve of a column such as ``test_200``.

        Returns:
            The ``k`` epochs of the curve's points, the last of which are those of the whole training, and the values
            there, ``n x k``, NaN where an architecture has none.

        Raises:
            InputError: There is no such column, or its name has no epochs.
        """
        match = _CURVED.fullmatch(column)
        if column not in self.columns or match is None:
            curved = [name for name in self.columns if f"{name}@1" in self.columns]
            raise unknown("column of a training", column, curved)
        points = {int(name.rpartition("@")[2]): name for name in self.columns if name.startswith(f"{column}@")}
        points[int(match[1])] = column
        epochs = tuple(sorted(points))
        return epochs, np.stack([self.columns[points[epoch]] for epoch in epochs], axis=1)


def column_target(column: str, dataset: str, training_seeds: str) -> Target | None:
    """Return the accuracy in a column of a converter, by its name; None for other names.

    ``test_200`` is the test accuracy after 200 epochs, ``test_200_seed777`` that of one training, and ``test_200@8``
    that after the first 8 of 200 epochs.
    """
    split, _, rest = column.partition("_")
    epochs, _, seed = rest.partition("_seed")
    epochs, at, point = epochs.partition("@")
    if split not in ("validation", "test") or not epochs.isdecimal() or (at and not point.isdecimal()):
        return None
    if at:
        return Target(dataset, split, int(point), f"{training_seeds}, the first epochs of {epochs}")
    return Target(dataset, split, int(epochs), f"seed {seed}" if seed else training_seeds)
