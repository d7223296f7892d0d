"""Successive halving over levels of training: many architectures start, few are trained to the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from eznas.search.signals import Observation


@register_algorithm(
    "successive_halving",
    "Jamieson, Talwalkar. Non-stochastic Best Arm Identification. AISTATS 2016",
    "promotes one in eta architectures to a longer training",
    levels=True,
)
class SuccessiveHalving(Searcher):
    """Trains a bracket at the lowest level, promotes one in ``eta`` to each next level, then starts another."""

    pool = 27

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._level = -1
        self._brackets = 0
        self._waiting: list[str] = []
        self._told: list[tuple[float, str]] = []
        self._seen: set[str] = set()

    def ask(self) -> Proposal | None:
        """Propose the next architecture of the rung, or fill the next rung or bracket."""
        if not self._waiting:
            self._climb()
        return Proposal(self._waiting[-1], self._level) if self._waiting else None

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Keep the observation of this rung."""
        self._waiting.pop()
        self._told.append((observation.fitness, proposal.architecture))

    def _climb(self) -> None:
        """Promote the best of the rung; after the last rung start a new bracket."""
        promoted = [(fitness, architecture) for fitness, architecture in self._told if fitness > -math.inf]
        promoted.sort(key=lambda member: member[0], reverse=True)
        self._told = []
        if 0 <= self._level < self.context.levels - 1 and promoted:
            self._level += 1
            self._waiting = [
                architecture for _, architecture in promoted[: math.ceil(len(promoted) / self.context.config.eta)]
            ][::-1]
            return
        self._level = self._first_level(self._brackets)
        self._brackets += 1
        count = math.ceil(self.size / self.context.config.eta**self._level)
        self._waiting = []
        while len(self._waiting) < count and (entrant := self.start(self._seen)) is not None:
            self._seen.add(entrant.architecture)
            self._waiting.insert(0, entrant.architecture)

    def _first_level(self, _bracket: int) -> int:
        """Return the level at which a bracket starts."""
        return 0
