"""Random search; with warm-up it queries the architectures of the warm-up first, the best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


@register_algorithm(
    "random",
    "Li, Talwalkar. Random Search and Reproducibility for NAS. UAI 2019",
    "draws uniformly without replacement; after a warm-up, starts with the best of it",
)
class RandomSearch(Searcher):
    """Draws uniformly without replacement."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._seen: set[str] = set()

    def ask(self) -> Proposal | None:
        """Propose the next architecture of the warm-up, or a new random one."""
        return self.start(self._seen)

    def tell(self, proposal: Proposal, _observation: Observation) -> None:
        """Keep the architecture, so that it is not drawn again."""
        self._seen.add(proposal.architecture)
