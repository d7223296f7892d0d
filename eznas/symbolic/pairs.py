"""Tau-b and Somers' D of many programs on several tasks at once, by comparing all pairs of a task's architectures.

Somers' D is tau in which a pair of equal scores counts as any other pair, and adds nothing: a program cannot gain by
giving many architectures one score, as it can in tau-b, which leaves such pairs out.

With the architectures sorted by accuracy, a pair is concordant where the later one has the greater score. One array
operation compares the pairs at one distance for all tasks and programs. Up to a thousand architectures a task, that is
many times as fast as sorting the scores of each program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


_BYTES = 400_000
"""Size of the scores that are compared at once, which fit into a processor's cache."""

_FLUSH = 127
"""Comparisons after which counts of 8 bits are added up."""


class PairTaus:
    """The order of the architectures of each task by accuracy.

    Args:
        accuracies: For each task, its accuracies, at least two different ones.
        somers: Whether to return Somers' D in place of tau-b.
        relative_to: ``k x n`` scores of trivial proxies: the highest tau of them on each task is subtracted from every
            tau there. None for taus themselves.
    """

    def __init__(
        self,
        accuracies: Sequence[NDArray[np.float64]],
        *,
        somers: bool = False,
        relative_to: NDArray[np.float64] | None = None,
    ) -> None:
        self._somers = somers
        self.counts = [len(task) for task in accuracies]
        self._size = max(self.counts)
        end = sum(self.counts)
        order = np.full((self._size, len(accuracies)), end)  # a column of NaN, which compares as neither
        ordered = np.full(order.shape, np.nan)
        start = 0
        for place, task in enumerate(accuracies):
            by_accuracy = np.argsort(task, kind="stable")
            order[: len(task), place], ordered[: len(task), place] = start + by_accuracy, task[by_accuracy]
            start += len(task)
        self._order = order
        self._tied: list[NDArray[np.bool_]] = []  # by distance from 1, up to the last with a pair of equal accuracies
        for distance in range(1, self._size):
            tied = ordered[distance:] == ordered[:-distance]
            if not tied.any():
                break
            self._tied.append(tied[:, :, None])
        self._pairs = np.array([count * (count - 1) // 2 for count in self.counts])
        self._untied = self._pairs - sum(
            (tied.sum(axis=(0, 2)) for tied in self._tied), np.zeros(len(self.counts), np.int64)
        )
        self.trivial: NDArray[np.float64] = np.zeros(len(self.counts))
        if relative_to is not None:
            self.trivial = np.nan_to_num(self.taus(relative_to), nan=0.0).max(axis=0)

    def taus(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return tau-b, or Somers' D, of programs on tasks.

        Args:
            scores: ``p x n`` finite scores, the architectures of one task after those of another.

        Returns:
            ``p x t`` taus; NaN where a program ties all architectures of a task.
        """
        return self._in_chunks(scores, np.nan, self._taus_of_scores)

    def taus_of_ranks(self, ranks: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return ``taus`` from the ranks within each task, which are faster to compare where there are many.

        Args:
            ranks: ``p x n`` dense ranks.
        """
        last = np.iinfo(ranks.dtype).max  # in the empty places behind a task's architectures: not less than any rank
        return self._in_chunks(ranks, last, self._taus_of_ranks)

    def _in_chunks(
        self, scores: NDArray[Any], empty: float, function: Callable[[NDArray[Any]], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Apply a function to ``size x t x rows`` scores in the order of the accuracies."""
        taus = np.empty((len(scores), len(self.counts)))
        rows = max(1, _BYTES // (self._order.size * scores.itemsize))
        for start in range(0, len(scores), rows):
            chunk = scores[start : start + rows]
            padded = np.concatenate([chunk.T, np.full((1, len(chunk)), empty, chunk.dtype)])
            taus[start : start + rows] = function(padded[self._order]).T - self.trivial
        return taus

    def _taus_of_scores(self, ordered: NDArray[np.float64]) -> NDArray[np.float64]:
        others = np.zeros(ordered.shape[1:], np.int64)
        greater, less = _Counter(ordered.shape), _Counter(ordered.shape)
        for distance in range(1, self._size):
            later, earlier = ordered[distance:], ordered[:-distance]
            more, fewer = later > earlier, later < earlier
            if distance <= len(self._tied):
                tied = self._tied[distance - 1]
                others += ((more | fewer) & tied).sum(axis=0)
                more &= ~tied
                fewer &= ~tied
            greater.add(more, distance)
            less.add(fewer, distance)
        concordant, discordant = greater.total(), less.total()
        return self._scaled(concordant - discordant, concordant + discordant + others)

    def _taus_of_ranks(self, ordered: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        tied_in_both = np.zeros(ordered.shape[1:], np.int64)
        less = _Counter(ordered.shape)
        for distance in range(1, self._size):
            later, earlier = ordered[distance:], ordered[:-distance]
            fewer = later < earlier
            if distance <= len(self._tied):
                tied = self._tied[distance - 1]
                tied_in_both += ((later == earlier) & tied).sum(axis=0)
                fewer &= ~tied
            less.add(fewer, distance)
        equal = self._equal_ranks(ordered)
        untied = self._untied[:, None] - equal + tied_in_both  # pairs of different accuracies and scores
        return self._scaled(untied - 2 * less.total(), self._pairs[:, None] - equal)

    def _equal_ranks(self, ordered: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count the pairs of equal ranks by task and program; most programs have as many ranks as architectures."""
        equal = np.zeros(ordered.shape[1:], np.int64)
        for task, count in enumerate(self.counts):
            ranks = ordered[:count, task]
            for program in np.flatnonzero(ranks.max(axis=0) < count - 1):
                repeated = np.bincount(ranks[:, program])
                equal[task, program] = (repeated * (repeated - 1)).sum() // 2
        return equal

    def _scaled(self, difference: NDArray[np.int64], untied: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return tau-b or Somers' D from concordant less discordant pairs, and the pairs of different scores."""
        taus: NDArray[np.float64] = np.full(untied.shape, np.nan)
        pairs = self._untied[:, None].astype(np.float64)
        scale = np.broadcast_to(pairs, untied.shape) if self._somers else np.sqrt(pairs * untied)
        np.divide(difference, scale, out=taus, where=untied > 0)
        return taus


class _Counter:
    """Counts by the first axis of an array, in 8 bits as long as they suffice."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._counts = np.zeros(shape, np.int8)
        self._sum = np.zeros(shape[1:], np.int64)

    def add(self, flags: NDArray[np.bool_], distance: int) -> None:
        """Count flags of the places from ``distance`` on; distances are 1, 2 and so on."""
        self._counts[distance:] += flags.view(np.int8)
        if distance % _FLUSH == 0:
            self._sum += self._counts.sum(axis=0, dtype=np.int64)
            self._counts[:] = 0

    def total(self) -> NDArray[np.int64]:
        """Return the counts over the first axis."""
        total: NDArray[np.int64] = self._sum + self._counts.sum(axis=0, dtype=np.int64)
        return total
