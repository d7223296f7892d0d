"""Hill climbing: looks at all neighbours, steps to the best of them, and begins anew at a local optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from eznas.search.signals import Observation

__all__ = ["HillClimbing"]


class HillClimbing(Searcher):
    """Looks at every one-edit neighbour before each step; a guided move begins with the best by the proxy."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._known: dict[str, float] = {}
        self._here: str | None = None
        self._left: list[str] = []

    def ask(self) -> Proposal | None:
        """Propose a neighbour that is new; once all are known step, or begin anew."""
        while self._here is not None:
            if self._left:
                return Proposal(self.task.guide.pick(self._left))
            self._step(self._here)
        start = self.start(self._known)
        return None if start is None else Proposal(start)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Remember it; a start becomes the place where the search stands."""
        self._known[proposal.architecture] = observation.fitness
        if self._here is None:
            self._stand(proposal.architecture)
        else:
            self._left.remove(proposal.architecture)

    def _step(self, here: str) -> None:
        best = max(self.task.domain.neighbours(here), key=self._known.__getitem__, default=here)
        if self._known[best] > self._known[here]:
            self._stand(best)
        else:
            self._here = None

    def _stand(self, architecture: str) -> None:
        self._here = architecture
        self._left = [one for one in self.task.domain.neighbours(architecture) if one not in self._known]


ALGORITHMS.register(
    Algorithm(
        "hill_climbing",
        "Russell, Norvig. Artificial Intelligence: A Modern Approach, section 4.1",
        "steps to the best of all neighbours; begins anew at a local optimum",
        HillClimbing,
        moves=True,
    )
)
