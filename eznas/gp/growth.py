"""How long an evolution grows: whether generations and expansions still help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAIN, _LAST_GAIN = 0.001, 0.003
"""Least gain in worth that counts as better, in a generation and in the generations that follow an expansion."""

_IN_VAIN = 2
"""Expansions in a row without such a gain after which the library does not grow any more."""


class Growth:
    """Measures the gain of generations and of expansions.

    Args:
        patience: Generations without a gain after which an expansion is due.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best, self._before_expansion = -math.inf, -math.inf
        self._stagnant, self._in_vain = 0, 0

    @property
    def ended(self) -> bool:
        """Whether expansions do not help any more."""
        return self._in_vain >= _IN_VAIN

    @property
    def stagnates(self) -> bool:
        """Whether generations do not help any more."""
        return self._stagnant >= self._patience

    def generation(self, best: float) -> None:
        """Take note of the worth of the best program after a generation."""
        if best - self._best >= _GAIN or not math.isfinite(self._best):
            self._best, self._stagnant = best, 0
        else:
            self._stagnant += 1

    def expansion(self) -> None:
        """Take note of an expansion that begins, and of the gain since the one before."""
        gained = self._best - self._before_expansion >= _LAST_GAIN
        self._in_vain = 0 if gained else self._in_vain + 1
        self._before_expansion, self._stagnant = self._best, 0

    def end(self) -> None:
        """Let no expansion follow."""
        self._in_vain = _IN_VAIN

    def state(self) -> list[Any]:
        """Return the measurements, ready for JSON."""
        return [self._best, self._before_expansion, self._stagnant, self._in_vain]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up the measurements that ``state`` returned."""
        self._best, self._before_expansion, self._stagnant, self._in_vain = state
