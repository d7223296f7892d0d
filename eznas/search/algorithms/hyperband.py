"""Hyperband: successive halving whose brackets start at each level in turn, to hedge against unreliable levels."""

from __future__ import annotations

from eznas.search.algorithms.successive_halving import SuccessiveHalving
from eznas.search.protocol import register_algorithm


@register_algorithm(
    "hyperband",
    "Li et al. Hyperband. JMLR 2018",
    "successive halving whose brackets start at each level in turn",
    levels=True,
)
class Hyperband(SuccessiveHalving):
    """Successive halving whose brackets start at each level in turn."""

    def _first_level(self, bracket: int) -> int:
        """Return the level at which a bracket starts."""
        return bracket % self.context.levels
