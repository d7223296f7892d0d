"""Tau-b of many programs on a few architectures of every task: the first round of a race."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_ROWS = 128
"""Programs compared at once, whose values fit into a processor's cache."""

_MOST = 127
"""Most architectures of a task: counts of pairs fit into 8 bits."""


class RacingTasks:
    """Compares all pairs of a task's architectures, whose accuracies all differ.

    With the architectures sorted by accuracy, a pair is concordant where the later one has the greater score. Counts
    are exact, so that tau is; the pairs that a program ties lower the scale, as tau-b has it.

    Args:
        accuracies: For each task, the accuracies of its architectures.

    Raises:
        ValueError: Two accuracies of a task are equal, or a task has fewer than 2 or more than 127 architectures.
    """

    def __init__(self, accuracies: Sequence[NDArray[np.float64]]) -> None:
        for task in accuracies:
            if len(np.unique(task)) < len(task) or not 2 <= len(task) <= _MOST:  # noqa: PLR2004 - a pair
                raise ValueError(f"a task must have 2 to {_MOST} different accuracies, got {task}")
        self.counts = [len(task) for task in accuracies]
        starts = np.cumsum([0, *self.counts[:-1]])
        order = [start + np.argsort(task) for start, task in zip(starts, accuracies, strict=True)]
        # Tasks of one size are compared together, with the size in front: position by accuracy, task.
        self._groups = [
            (size, [task for task, count in enumerate(self.counts) if count == size]) for size in sorted({*self.counts})
        ]
        self._columns = [np.stack([order[task] for task in tasks], axis=1).ravel() for _, tasks in self._groups]

    def taus(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``p x t`` taus of ``p x n`` finite scores, task after task; NaN where a program ties all pairs."""
        taus = np.empty((len(scores), len(self.counts)))
        for start in range(0, len(scores), _ROWS):
            rows = scores[start : start + _ROWS]
            for (size, tasks), columns in zip(self._groups, self._columns, strict=True):
                ordered = np.ascontiguousarray(rows[:, columns].T).reshape(size, len(tasks), len(rows))
                taus[start : start + _ROWS, tasks] = _tau_b(ordered).T
        return taus


def _tau_b(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return tau-b along the first axis, whose entries are sorted by distinct accuracies."""
    size = len(ordered)
    greater, less = np.zeros(ordered.shape, np.int8), np.zeros(ordered.shape, np.int8)
    compared = np.empty(ordered.shape, bool)
    for distance in range(1, size):
        later, earlier, out = ordered[distance:], ordered[:-distance], compared[distance:]
        np.greater(later, earlier, out=out)
        greater[distance:] += out.view(np.int8)
        np.less(later, earlier, out=out)
        less[distance:] += out.view(np.int8)
    concordant, discordant = greater.sum(axis=0, dtype=np.int32), less.sum(axis=0, dtype=np.int32)
    untied = (concordant + discordant).astype(np.float64)
    taus: NDArray[np.float64] = np.full(untied.shape, np.nan)
    scale = np.sqrt(untied * (size * (size - 1) / 2))
    return np.divide(concordant - discordant, scale, out=taus, where=untied > 0)
