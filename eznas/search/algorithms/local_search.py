"""Local search: steps to the first better neighbour, and restarts at a local optimum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


@register_algorithm(
    "local_search",
    "White, Nolen, Savani. Exploring the Loss Landscape in NAS. UAI 2021",
    "steps to the first better neighbour; restarts at a local optimum",
    moves=True,
)
class LocalSearch(Searcher):
    """Steps to the first better neighbour; a guided move queries the best by the proxy first."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._seen: set[str] = set()
        self._best = -math.inf
        self._left: list[str] = []

    def ask(self) -> Proposal | None:
        """Propose a new neighbour, or a starting point if there is none."""
        self._left = [architecture for architecture in self._left if architecture not in self._seen]
        if self._left:
            return Proposal(self.context.guide.pick(self._left))
        self._best = -math.inf
        return self.start(self._seen)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Step to the architecture if it is better."""
        self._seen.add(proposal.architecture)
        if observation.fitness > self._best:
            self._best = observation.fitness
            self._left = list(self.context.domain.neighbours(proposal.architecture))
