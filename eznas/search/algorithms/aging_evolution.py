"""Ageing evolution, also called regularised evolution: the oldest dies, not the worst.

References:
    [REA] Real, Aggarwal, Huang, Le. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from eznas.search.signals import Observation

__all__ = ["AgingEvolution"]


class AgingEvolution(Searcher):
    """Mutates the best of a random tournament, and lets the oldest of the population die."""

    pool: ClassVar[int] = 64

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._population: deque[tuple[float, str]] = deque(maxlen=self.size)

    def ask(self) -> Proposal:
        """Propose a founder while the population is not full, then a child."""
        if len(self._population) < self.size:
            return Proposal(self.first())
        rivals = self.task.rng.sample(self._population, min(self.task.config.tournament, self.size))
        parent = max(rivals, key=lambda one: one[0])[1]
        return Proposal(self.task.guide.mutate(parent))

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Add it to the population; where that is full the oldest makes room."""
        self._population.append((observation.fitness, proposal.architecture))


ALGORITHMS.register(
    Algorithm(
        "aging_evolution",
        "Real et al. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019",
        "mutates the best of a tournament; the oldest dies",
        AgingEvolution,
        moves=True,
    )
)
