"""Deadlines of the parts of a stage, which share its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


class Schedule:
    """Shares seconds among parts, such as panels, by the seconds that each is expected to take.

    A part that needs less than its share leaves the rest to the parts behind it. A new schedule has no bound.

    Attributes:
        end: The value of ``time.time()`` at which all parts must end; None without a bound.
    """

    def __init__(self) -> None:
        self.end: float | None = None
        self._weights: dict[Hashable, float] = {}
        self._ends: dict[Hashable, float] = {}

    def begin(self, seconds: float, weights: Mapping[Any, float]) -> None:
        """Bound the parts to come.

        Args:
            seconds: Seconds for all parts together, from now on.
            weights: The expected seconds of each part; only their ratios count.
        """
        self.end, self._weights, self._ends = time.time() + seconds, dict(weights), {}

    @property
    def waiting(self) -> float:
        """The expected seconds of the parts that have not begun."""
        return sum(self._weights.values())

    def clear(self) -> None:
        """Bound nothing from here on."""
        self.end, self._weights, self._ends = None, {}, {}

    def deadline(self, part: Hashable) -> float | None:
        """Return the value of ``time.time()`` at which a part must end; None without a bound.

        The part begins with the first call. A part that was not named has all of the time that is left.
        """
        if self.end is None:
            return None
        if part not in self._ends:
            now, all_weights = time.time(), sum(self._weights.values())
            weight = self._weights.pop(part, all_weights)
            self._ends[part] = now + (self.end - now) * (weight / all_weights if all_weights > 0 else 1.0)
        return self._ends[part]
