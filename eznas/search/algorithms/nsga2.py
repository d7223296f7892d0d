"""NSGA-II: a front of architectures between the signal and a cost such as parameters.

References:
    [NSGA-II] Deb, Pratap, Agarwal, Meyarivan. A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II. IEEE
        Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deap import base, tools

from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from eznas.search.signals import Observation

__all__ = ["Nsga2"]


class _Fitness(base.Fitness):  # type: ignore[misc] # deap has no types
    weights = (1.0, -1.0)


@dataclass
class _Individual:
    architecture: str
    fitness: _Fitness
    rank: int = 0


class Nsga2(Searcher):
    """Keeps the pool that is best by non-dominated rank, then by crowding distance; failures leave no children."""

    pool: ClassVar[int] = 32

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._parents: list[_Individual] = []
        self._children: list[_Individual] = []
        self._told = 0

    def ask(self) -> Proposal:
        """Propose a founder, then a child of the winner of a binary tournament."""
        if self._told < self.size or not self._parents:
            return Proposal(self.first())
        one, other = self.task.rng.choices(self._parents, k=2)
        return Proposal(self.task.guide.mutate(min(one, other, key=_place).architecture))

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Add it to the generation; once that is full the best of parents and children go on."""
        self._told += 1
        if math.isfinite(observation.fitness) and math.isfinite(observation.cost):
            fitness = _Fitness((observation.fitness, observation.cost))
            self._children.append(_Individual(proposal.architecture, fitness))
        if self._told % self.size == 0:
            everyone = {one.architecture: one for one in [*self._parents, *self._children]}
            self._parents = tools.selNSGA2(list(everyone.values()), self.size) if everyone else []
            for rank, front in enumerate(tools.sortNondominated(self._parents, len(self._parents))):
                for one in front:
                    one.rank = rank
            self._children = []


def _place(one: _Individual) -> tuple[int, float]:
    return one.rank, -one.fitness.crowding_dist


ALGORITHMS.register(
    Algorithm(
        "nsga2",
        "Deb et al. A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II. IEEE TEC 2002",
        "finds the front between the signal and a cost",
        Nsga2,
        moves=True,
        costs=True,
    )
)
