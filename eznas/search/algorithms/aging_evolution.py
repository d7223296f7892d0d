"""Ageing (regularised) evolution: the oldest member of the population dies, not the worst."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


@register_algorithm(
    "aging_evolution",
    "Real et al. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019",
    "mutates the winner of a tournament; the oldest member dies",
    moves=True,
)
class AgingEvolution(Searcher):
    """Mutates the winner of a random tournament and removes the oldest member of the population."""

    pool = 64

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._population: deque[tuple[float, str]] = deque(maxlen=self.size)

    def ask(self) -> Proposal:
        """Propose founders until the population is full, then children."""
        if len(self._population) < self.size:
            return Proposal(self.first())
        rivals = self.context.rng.sample(self._population, min(self.context.config.tournament, self.size))
        _, parent = max(rivals, key=lambda rival: rival[0])
        return Proposal(self.context.guide.mutate(parent))

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Add the architecture; a full population drops its oldest member."""
        self._population.append((observation.fitness, proposal.architecture))
