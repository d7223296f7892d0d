"""Hyperband: successive halving whose brackets start at each level in turn, to hedge against unreliable levels.

References:
    [HB] Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar. Hyperband. JMLR 2018.
"""

from __future__ import annotations

from eznas.search.algorithms.successive_halving import SuccessiveHalving
from eznas.search.protocol import ALGORITHMS, Algorithm

__all__ = ["Hyperband"]


class Hyperband(SuccessiveHalving):
    """Successive halving whose brackets start at each level in turn."""

    def _first_level(self, bracket: int) -> int:
        """Return the level at which a bracket starts."""
        return bracket % self.task.levels


ALGORITHMS.register(
    Algorithm(
        "hyperband",
        "Li et al. Hyperband. JMLR 2018",
        "successive halving whose brackets start at each level in turn",
        Hyperband,
        levels=True,
    )
)
