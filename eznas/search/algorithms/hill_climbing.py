"""Hill climbing: queries all neighbours, steps to the best of them, and restarts at a local optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


@register_algorithm(
    "hill_climbing",
    "Russell, Norvig. Artificial Intelligence: A Modern Approach, section 4.1",
    "steps to the best of all neighbours; restarts at a local optimum",
    moves=True,
)
class HillClimbing(Searcher):
    """Queries all neighbours before each step; a guided move queries the best by the proxy first."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._known: dict[str, float] = {}
        self._current: str | None = None
        self._left: list[str] = []

    def ask(self) -> Proposal | None:
        """Propose a new neighbour; once all are known, step or restart."""
        while self._current is not None:
            if self._left:
                return Proposal(self.context.guide.pick(self._left))
            self._step(self._current)
        return self.start(self._known)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Keep the observation; a starting point becomes the current architecture."""
        self._known[proposal.architecture] = observation.fitness
        if self._current is None:
            self._move_to(proposal.architecture)
        else:
            self._left.remove(proposal.architecture)

    def _step(self, current: str) -> None:
        best = max(self.context.domain.neighbours(current), key=self._known.__getitem__, default=current)
        if self._known[best] > self._known[current]:
            self._move_to(best)
        else:
            self._current = None

    def _move_to(self, architecture: str) -> None:
        self._current = architecture
        self._left = [other for other in self.context.domain.neighbours(architecture) if other not in self._known]
