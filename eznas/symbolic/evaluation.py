"""Taus of programs on all training and validation architectures: the last round of a race."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.ranking import dense_ranks
from eznas.symbolic.pairs import PairTaus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.symbolic.graph import Graph, Ids
    from eznas.symbolic.split import Split
    from eznas.symbolic.table import TaskScores


_CHUNK = 64
"""Programs that are evaluated on all architectures at once, whose nodes take some megabytes."""

_PAIRS = 2500
"""Pairs of architectures that a program is raced on, over all tasks."""

_FEWEST = 8
"""Fewest racing architectures of a task, where it has as many of different accuracies."""


class Evaluation:
    """The accuracies and scores that programs are evaluated on.

    Taus here are Somers' D, so that no program gains by saturated functions that give many architectures one score.

    Args:
        columns: The columns, in the order of the leaves.
        tasks: The tasks of selection.
        splits: The parts of each.
        trivial: Columns whose highest tau on a task is subtracted from every tau there; empty for taus themselves.
    """

    def __init__(
        self, columns: Sequence[str], tasks: Sequence[TaskScores], splits: Sequence[Split], trivial: Sequence[str] = ()
    ) -> None:
        self._parts = list(zip(tasks, splits, strict=True))
        self._columns, self._trivial = tuple(columns), tuple(trivial)
        self._train, train = self._compared([split.train for split in splits])
        self._validation, validation = self._compared([split.validation for split in splits])
        self._leaves = {self._train: train, self._validation: validation}
        self.racing_size = max(_FEWEST, int(np.sqrt(2 * _PAIRS / len(self._parts))))

    def training(self, graph: Graph, programs: Ids) -> tuple[NDArray[np.float64], tuple[bytes, ...]]:
        """Return ``m x t`` taus on all training architectures, and a digest of each program's order of them.

        Taus are NaN where a program has no value, or ties all architectures of the task.
        """
        return self._taus(graph, programs, self._train)

    def validation(self, graph: Graph, programs: Ids) -> NDArray[np.float64]:
        """Return ``m x t`` taus on the validation architectures."""
        return self._taus(graph, programs, self._validation)[0]

    def _taus(self, graph: Graph, programs: Ids, compared: PairTaus) -> tuple[NDArray[np.float64], tuple[bytes, ...]]:
        taus = np.full((len(programs), len(self._parts)), np.nan)
        keys = [b""] * len(programs)
        for start in range(0, len(programs), _CHUNK):
            scores = graph.evaluated(programs[start : start + _CHUNK], self._leaves[compared])
            finite = np.flatnonzero(np.isfinite(scores).all(axis=1))
            ranks = task_ranks(scores[finite], compared.counts)
            taus[start + finite] = compared.taus_of_ranks(ranks)
            for place, row in zip(start + finite, ranks, strict=True):
                keys[place] = hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        return taus, tuple(keys)

    def racing(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], PairTaus]:
        """Draw some training architectures of every task, and return the leaves' values on them and the comparison."""
        places = []
        for task, split in self._parts:
            drawn = rng.permutation(split.train)
            _, first = np.unique(task.accuracies[drawn], return_index=True)
            places.append(drawn[np.sort(first)[: self.racing_size]])
        compared, leaves = self._compared(places)
        return leaves, compared

    def _compared(self, places: Sequence[NDArray[np.int64]]) -> tuple[PairTaus, NDArray[np.float64]]:
        """Return the comparison of some architectures of every task, and the leaves' values on them."""
        drawn = [(task, chosen) for (task, _), chosen in zip(self._parts, places, strict=True)]

        def scores(columns: Sequence[str]) -> NDArray[np.float64]:
            return np.concatenate([task.matrix(columns)[:, chosen] for task, chosen in drawn], axis=1)

        relative_to = scores(self._trivial) if self._trivial else None
        accuracies = [task.accuracies[chosen] for task, chosen in drawn]
        return PairTaus(accuracies, somers=True, relative_to=relative_to), scores(self._columns)


def task_ranks(scores: NDArray[np.float64], counts: Sequence[int]) -> NDArray[np.integer[Any]]:
    """Return the dense ranks within each task of ``p x n`` scores, the architectures of one task after another's."""
    spans = np.split(scores, np.cumsum(counts)[:-1], axis=1)
    return np.concatenate([dense_ranks(span) for span in spans], axis=1)
