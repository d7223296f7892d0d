"""Training, validation and test architectures of every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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


def split_tasks(
    tasks: Sequence[TaskScores], sizes: Sequence[float], seed: int, held_out: Collection[str] = ()
) -> list[Split]:
    """Draw the parts of tasks; an architecture is in the same part of every task.

    Args:
        tasks: The tasks.
        sizes: Training, validation and test architectures: shares, or numbers of at least 10.
        seed: Seed of the order of architectures.
        held_out: Names of the tasks that are for the reported figures only.

    Raises:
        InputError: A part has fewer than 10 architectures, or all of its accuracies are equal.
    """
    parts: dict[str, int] = {}
    splits = {
        task.name: split_task(task, sizes, seed, held_out=task.name in held_out, parts=parts)
        for task in sorted(tasks, key=lambda task: task.name in held_out)  # those of selection come first
    }
    return [splits[task.name] for task in tasks]


def split_task(
    task: TaskScores, sizes: Sequence[float], seed: int, *, held_out: bool = False, parts: dict[str, int] | None = None
) -> Split:
    """Draw the parts of a task.

    An architecture has one position in a fixed random order, whatever the task. Shares cut this order at fixed
    positions. Numbers take the first architectures of the order; those that an earlier task has keep their part. So no
    program is tested on an architecture that it was trained on under the name of another task.

    Args:
        task: The task.
        sizes: Training, validation and test architectures: shares, or numbers of at least 10.
        seed: Seed of the order.
        held_out: Whether the task is for the reported figures only.
        parts: With numbers, the part of each architecture of earlier tasks; those of this task are added.

    Raises:
        InputError: A part has fewer than 10 architectures, or all of its accuracies are equal.
    """
    position = np.array([derive_seed(seed, "split", name) for name in task.architectures]) / 2.0**63
    order = np.argsort(position, kind="stable")
    if max(sizes) < 1:
        ends = np.searchsorted(position[order], np.cumsum(sizes))
        drawn = [part[:MOST] for part in np.split(order, ends)[:3]]
    else:
        drawn = _first(task, order, [int(size) for size in sizes], {} if parts is None else parts)
    for name, part in zip(_PARTS, drawn, strict=True):
        if held_out and name != _PARTS[2]:
            continue
        if len(part) < LEAST or np.ptp(task.accuracies[part]) == 0:
            raise InputError(
                f"the {name} architectures of {task.name} must be at least {LEAST} of different accuracies, got "
                f"{len(part)}; the table has {len(order)} that all columns have scores of",
                parameters=("split",),
            )
    empty = np.empty(0, np.int64)
    return Split(empty, empty, drawn[2]) if held_out else Split(*drawn)


def _first(
    task: TaskScores, order: NDArray[np.int64], sizes: Sequence[int], parts: dict[str, int]
) -> list[NDArray[np.int64]]:
    """Fill the parts in an order, first with the architectures that earlier tasks have in the same part."""
    if sum(sizes) > len(order):
        raise InputError(
            f"{task.name} must have {sum(sizes)} architectures for split {'/'.join(map(str, sizes))}, it has "
            f"{len(order)} that all columns have scores of",
            parameters=("split",),
        )
    drawn: list[list[int]] = [[] for _ in sizes]
    unused = []
    for place in order.tolist():
        part = parts.get(task.architectures[place])
        if part is None:
            unused.append(place)
        elif len(drawn[part]) < sizes[part]:
            drawn[part].append(place)
    for part, size in enumerate(sizes):
        taken, unused = unused[: size - len(drawn[part])], unused[size - len(drawn[part]) :]
        drawn[part] += taken
        parts.update((task.architectures[place], part) for place in taken)
    for name, places, size in zip(_PARTS, drawn, sizes, strict=True):
        if len(places) < size:
            raise InputError(
                f"{task.name} must have {size} {name} architectures that no other task has in another part, it has "
                f"{len(places)}; choose smaller numbers, or shares",
                parameters=("split",),
            )
    return [np.array(places, np.int64) for places in drawn]
