"""Ranges of hyper-parameters that a random search draws from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``.

    Args:
        low: The least.
        high: The greatest.
        log: Whether their logarithms are uniform, instead of the numbers.
        whole: Whether they are whole; both ends are then possible.

    Raises:
        InputError: The ends are in the wrong order, or a logarithm does not exist.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if self.low > self.high or (self.log and self.low <= 0):
            raise InputError(f"a span must ascend, above 0 for logarithms, got {self.low} to {self.high}")

    def draw(self, rng: random.Random) -> float | int:
        """Draw a number."""
        low, high = self.low, self.high + (1 if self.whole else 0)
        drawn = math.exp(rng.uniform(math.log(low), math.log(high))) if self.log else rng.uniform(low, high)
        return min(math.floor(drawn), int(self.high)) if self.whole else drawn


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Args:
        values: The values.
    """

    values: tuple[Any, ...]

    def draw(self, rng: random.Random) -> Any:
        """Draw a value."""
        return rng.choice(self.values)


Range = Span | Choice


def draw_settings(ranges: Mapping[str, Range], rng: random.Random) -> dict[str, Any]:
    """Draw a setting of each hyper-parameter, in the order of the ranges."""
    return {name: values.draw(rng) for name, values in ranges.items()}
