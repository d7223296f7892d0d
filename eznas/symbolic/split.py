"""Training, validation and test architectures of every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.symbolic.table import TaskScores


LEAST = 10
"""Fewest architectures of a part of a task."""

MOST = 1000
"""Most architectures of a part of a task that are drawn by shares."""

_PARTS = ("training", "validation", "test")


@dataclass(frozen=True)
class Split:
    """The architectures of one task, by their places in its table.

    Args:
        train: Architectures that fitness is computed on; empty for a task that is held out.
        validation: Architectures that choose among programs; empty for a task that is held out.
        test: Architectures for the reported figures only.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split_task(task: TaskScores, sizes: Sequence[float], seed: int, *, held_out: bool = False) -> Split:
    """Draw the parts of a task.

    An architecture has one place in a fixed random order, whatever the task: with shares, tasks over the same
    architectures have them in the same parts, so that no program is tested on an architecture that it was trained on
    under another name.

    Args:
        task: The task.
        sizes: Training, validation and test architectures: shares, or numbers of at least 10.
        seed: Seed of the order.
        held_out: Whether the task is for the reported figures only.

    Raises:
        InputError: A part has fewer than 10 architectures, or all of its accuracies are equal.
    """
    position = np.array([derive_seed(seed, "split", name) for name in task.architectures]) / 2.0**63
    order = np.argsort(position, kind="stable")
    if max(sizes) < 1:
        ends = np.searchsorted(position[order], np.cumsum(sizes) / sum(sizes))
    else:
        ends = np.cumsum(sizes).astype(int)
        if ends[-1] > len(order):
            raise InputError(
                f"{task.name} must have {ends[-1]} architectures for split {'/'.join(f'{size:g}' for size in sizes)}, "
                f"it has {len(order)} that all columns have scores of",
                parameters=("split",),
            )
    parts = [part[:MOST] if max(sizes) < 1 else part for part in np.split(order, ends)[:3]]
    for name, part in zip(_PARTS, parts, strict=True):
        if held_out and name != _PARTS[2]:
            continue
        if len(part) < LEAST or np.ptp(task.accuracies[part]) == 0:
            raise InputError(
                f"the {name} architectures of {task.name} must be at least {LEAST} of different accuracies, got "
                f"{len(part)}; the table has {len(order)} that all columns have scores of",
                parameters=("split",),
            )
    empty = np.empty(0, np.int64)
    return Split(empty, empty, parts[2]) if held_out else Split(*parts)
