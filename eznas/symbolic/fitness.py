"""Fitness from taus over tasks, and the choice of parents and survivors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.symbolic.graph import Ids


_CASES = 256
"""Parents that lexicase selects in a generation; each breeds as often as the others."""


@dataclass(frozen=True)
class Fitness:
    """The fitness over tasks; its sign is never dropped.

    Args:
        kind: ``least``, ``mean``, ``weighted`` or ``lexicase``; the last one's figure is the mean.
        weights: One for each task; they count for ``weighted`` only.
    """

    kind: str
    weights: tuple[float, ...]

    def over_tasks(self, taus: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one figure for each row of ``m x t`` taus; NaN where a tau is missing."""
        if self.kind == "least":
            least: NDArray[np.float64] = np.min(taus, axis=1)
            return least
        weights = np.array(self.weights if self.kind == "weighted" else np.ones(taus.shape[1]))
        mean: NDArray[np.float64] = (taus * weights).sum(axis=1) / weights.sum()
        return mean

    def parents(
        self,
        taus: NDArray[np.float64],
        fitness: NDArray[np.float64],
        count: int,
        tournament: int,
        rng: np.random.Generator,
    ) -> Ids:
        """Draw the places of parents: by tournaments on the fitness, or by lexicase on the taus."""
        if self.kind != "lexicase":
            drawn = rng.integers(0, len(fitness), (count, tournament))
            winners: Ids = drawn[np.arange(count), np.argmax(fitness[drawn], axis=1)]
            return winners
        return rng.choice(_lexicase(taus, min(count, _CASES), rng), count)

    def best(self, taus: NDArray[np.float64], fitness: NDArray[np.float64], count: int) -> Ids:
        """Return the places of survivors: the fittest, or under lexicase those with the best place in any task."""
        if self.kind != "lexicase":
            return np.argsort(-fitness, kind="stable")[:count]
        places = np.argsort(np.argsort(-taus, axis=0, kind="stable"), axis=0).min(axis=1)
        return np.lexsort((-fitness, places))[:count]


def _lexicase(taus: NDArray[np.float64], count: int, rng: np.random.Generator) -> Ids:
    """Select programs one task after the other in a random order: the best of each, up to the median deviation."""
    tolerance = np.median(np.abs(taus - np.median(taus, axis=0)), axis=0)
    selected = np.empty(count, np.int64)
    for index in range(count):
        left = np.arange(len(taus))
        for task in rng.permutation(taus.shape[1]):
            best = taus[left, task].max()
            left = left[taus[left, task] >= best - tolerance[task]]
        selected[index] = rng.choice(left)
    return selected
