"""Local search: steps to the first neighbour that is better, and begins anew where none is.

References:
    [LS] White, Nolen, Savani. Exploring the Loss Landscape in Neural Architecture Search. UAI 2021.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from eznas.search.signals import Observation

__all__ = ["LocalSearch"]


class LocalSearch(Searcher):
    """Walks to the first neighbour that is better; a guided move looks at the best by the proxy first."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._seen: set[str] = set()
        self._best = -math.inf
        self._left: list[str] = []

    def ask(self) -> Proposal | None:
        """Propose a neighbour that is new, or a new start where there is none."""
        self._left = [one for one in self._left if one not in self._seen]
        if self._left:
            return Proposal(self.task.guide.pick(self._left))
        self._best = -math.inf
        start = self.start(self._seen)
        return None if start is None else Proposal(start)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Step there if it is better."""
        self._seen.add(proposal.architecture)
        if observation.fitness > self._best:
            self._best = observation.fitness
            self._left = list(self.task.domain.neighbours(proposal.architecture))


ALGORITHMS.register(
    Algorithm(
        "local_search",
        "White, Nolen, Savani. Exploring the Loss Landscape in NAS. UAI 2021",
        "steps to the first better neighbour; begins anew at a local optimum",
        LocalSearch,
        moves=True,
    )
)
