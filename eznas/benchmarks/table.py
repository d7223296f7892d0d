"""Accuracy tables: trained accuracies of architectures, and which accuracy it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AccuracyTable", "Target", "column_target"]


@dataclass(frozen=True)
class Target:
    """Which accuracy a table holds; printed in every report.

    Args:
        dataset: Such as ``"cifar10"``.
        split: ``"validation"``, ``"test"``, or ``"unknown"`` where the file does not say.
        epochs: Epochs of training; None where the file does not say.
        training_seeds: How many trainings were averaged and which, in words.
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
        benchmark: The name on command lines.
        space: The search space's name.
        target: Which accuracy.
        architectures: Official strings, without duplicates, in the table's order.
        accuracies: ``n`` accuracies in percent, all finite.
        source: The file or package that it was read from.
        digest: SHA-256 of that file.
        columns: Further numeric columns, ``n`` each.
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


def column_target(column: str, dataset: str, training_seeds: str) -> Target | None:
    """Return which accuracy a column named as converters name them is; None for other names.

    ``test_200`` is the test accuracy after 200 epochs, and ``test_200_seed777`` that of one training.
    """
    split, _, rest = column.partition("_")
    epochs, _, seed = rest.partition("_seed")
    if split not in ("validation", "test") or not epochs.isdecimal():
        return None
    return Target(dataset, split, int(epochs), f"seed {seed}" if seed else training_seeds)
