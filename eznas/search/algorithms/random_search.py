"""Random search; with warm-up it takes the best of the warm-up in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from eznas.search.signals import Observation

__all__ = ["RandomSearch"]


class RandomSearch(Searcher):
    """Draws uniformly, each architecture once."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._seen: set[str] = set()

    def ask(self) -> Proposal | None:
        """Propose the next of the warm-up, or a random architecture that is new."""
        architecture = self.warmed() or self.task.domain.fresh(self.task.rng, self._seen)
        return None if architecture is None else Proposal(architecture)

    def tell(self, proposal: Proposal, _observation: Observation) -> None:
        """Remember that it was drawn."""
        self._seen.add(proposal.architecture)


ALGORITHMS.register(
    Algorithm(
        "random",
        "Li, Talwalkar. Random Search and Reproducibility for NAS. UAI 2019",
        "draws uniformly, each architecture once",
        RandomSearch,
    )
)
