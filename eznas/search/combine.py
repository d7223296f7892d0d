"""Several signals as one: mean rank, weighted min-max sum, or vote, against a fixed reference set.

A single architecture has no rank. So each rule compares it with the same reference architectures, and what it
gives does not depend on the order in which a search asks.

References:
    [ZCNAS] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eznas.errors import InputError, unknown
from eznas.search.signals import Observation
from eznas.status import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.search.signals import Signal

__all__ = ["RULES", "Combined", "Rule"]

Rule: TypeAlias = "Callable[[NDArray[np.float64]], float]"


def _rank(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """The weighted mean over signals of the share of the reference that is beaten; a tie is half."""
    rows = np.sort(reference, axis=1)

    def combine(values: NDArray[np.float64]) -> float:
        pairs = zip(rows, values, strict=True)
        below = [np.searchsorted(row, value, "left") + np.searchsorted(row, value, "right") for row, value in pairs]
        return float(weights @ np.array(below) / (2 * rows.shape[1]))

    return combine


def _minmax(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """The weighted sum of the values, each scaled so that the reference spans 0 to 1."""
    low, high = reference.min(axis=1), reference.max(axis=1)
    span = np.where(high > low, high - low, 1.0)
    return lambda values: float(weights @ ((values - low) / span))


def _vote(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """The share of the reference that the weighted majority of signals puts below; a tie is half."""

    def combine(values: NDArray[np.float64]) -> float:
        votes = weights @ np.sign(values[:, None] - reference)
        return float((np.sign(votes) + 1).mean() / 2)

    return combine


RULES: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], Rule]] = {
    "rank": _rank,
    "minmax": _minmax,
    "vote": _vote,
}
"""From ``s x n`` values of the reference and ``s`` weights to what makes one number of ``s`` values."""


class Combined:
    """Several signals as one; it fails where one of them does.

    Args:
        parts: The signals, at least one.
        reference: The architectures that each is compared with; those on which a part fails are left out.
        rule: One of ``RULES``.
        weights: One a part, not negative; None for equal ones. They are divided by their sum.

    Raises:
        InputError: There is no such rule, the weights do not fit, or nothing is left of the reference.
    """

    def __init__(
        self, parts: Sequence[Signal], reference: Sequence[str], rule: str, weights: Sequence[float] | None = None
    ) -> None:
        if rule not in RULES:
            raise unknown("rule to combine signals", rule, RULES)
        given = np.asarray(weights or [1.0] * len(parts), dtype=np.float64)
        if len(given) != len(parts) or given.min() < 0 or given.sum() <= 0:
            raise InputError(f"there must be one weight a signal, none negative, not all 0; got {given.tolist()}")
        self.name = f"{rule}({', '.join(part.name for part in parts)})"
        self.epochs = sum(part.epochs for part in parts)
        self.direction = 1
        self.timed = all(part.timed for part in parts)
        self._parts = tuple(parts)
        self._known: dict[str, Observation] = {}
        fitness = np.array([[one.fitness for one in part.observe(reference)] for part in parts])
        compared = fitness[:, np.isfinite(fitness).all(axis=0)]
        if not compared.size:
            raise InputError(f"{self.name} must have a value on some reference architecture, it has none")
        self._rule = RULES[rule](compared, given / given.sum())

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Combine the parts' observations; seconds and epochs add up."""
        new = [one for one in dict.fromkeys(architectures) if one not in self._known]
        columns = zip(*(part.observe(new) for part in self._parts), strict=True)
        self._known |= {one: self._one(column) for one, column in zip(new, columns, strict=True)}
        return [self._known[one] for one in architectures]

    def _one(self, column: Sequence[Observation]) -> Observation:
        seconds = sum(one.seconds for one in column)
        failed = next((one.score for one in column if not one.score.ok), None)
        if failed is not None:
            return Observation.of(failed, seconds, self.epochs)
        return Observation.of(Score.of(self._rule(np.array([one.fitness for one in column]))), seconds, self.epochs)
