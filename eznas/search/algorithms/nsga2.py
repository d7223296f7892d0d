"""NSGA-II: the Pareto front of the signal and a cost such as the number of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deap import base, tools

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


class _Fitness(base.Fitness):  # type: ignore[misc] # deap has no types
    weights = (1.0, -1.0)


@dataclass
class _Individual:
    architecture: str
    fitness: _Fitness
    rank: int = 0


@register_algorithm(
    "nsga2",
    "Deb et al. A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II. IEEE TEC 2002",
    "finds the Pareto front of the signal and a second objective",
    moves=True,
    costs=True,
)
class Nsga2(Searcher):
    """Keeps the population that is best by non-dominated rank, then by crowding distance, without failures."""

    pool = 32

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._parents: list[_Individual] = []
        self._children: list[_Individual] = []
        self._told = 0

    def ask(self) -> Proposal:
        """Propose founders, then children of the winners of binary tournaments."""
        if self._told < self.size or not self._parents:
            return Proposal(self.first())
        parent = min(self.context.rng.choices(self._parents, k=2), key=_order)
        return Proposal(self.context.guide.mutate(parent.architecture))

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Add the architecture to the generation; a full generation competes with its parents."""
        self._told += 1
        if math.isfinite(observation.fitness) and math.isfinite(observation.cost):
            fitness = _Fitness((observation.fitness, observation.cost))
            self._children.append(_Individual(proposal.architecture, fitness))
        if self._told % self.size == 0:
            everyone = {individual.architecture: individual for individual in [*self._parents, *self._children]}
            self._parents = tools.selNSGA2(list(everyone.values()), self.size) if everyone else []
            for rank, front in enumerate(tools.sortNondominated(self._parents, len(self._parents))):
                for individual in front:
                    individual.rank = rank
            self._children = []


def _order(individual: _Individual) -> tuple[int, float]:
    return individual.rank, -individual.fitness.crowding_dist
