"""Several signals as one, by rank, scaled sum or vote, each against a fixed reference set of architectures.

The reference set makes the combined value of an architecture independent of the other queries of a search.

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


Rule: TypeAlias = "Callable[[NDArray[np.float64]], float]"


def _rank(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """Return the weighted mean over signals of the share of the reference below the value; ties count half."""
    rows = np.sort(reference, axis=1)

    def combine(values: NDArray[np.float64]) -> float:
        pairs = zip(rows, values, strict=True)
        below = [np.searchsorted(row, value, "left") + np.searchsorted(row, value, "right") for row, value in pairs]
        return float(weights @ np.array(below) / (2 * rows.shape[1]))

    return combine


def _min_max(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """Return the weighted sum of the values, each scaled so that the reference spans 0 to 1."""
    low, high = reference.min(axis=1), reference.max(axis=1)
    span = np.where(high > low, high - low, 1.0)
    return lambda values: float(weights @ ((values - low) / span))


def _vote(reference: NDArray[np.float64], weights: NDArray[np.float64]) -> Rule:
    """Return the share of the reference that the weighted majority of signals ranks below; ties count half."""

    def combine(values: NDArray[np.float64]) -> float:
        votes = weights @ np.sign(values[:, None] - reference)
        return float((np.sign(votes) + 1).mean() / 2)

    return combine


RULES: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], Rule]] = {
    "rank": _rank,
    "min_max": _min_max,
    "vote": _vote,
}
"""Each maps ``s x n`` values of the reference and ``s`` weights to a function from ``s`` values to a number."""


def check_combination(count: int, rule: str, weights: Sequence[float] | None = None) -> None:
    """Check the rule and the weights of a number of signals.

    Raises:
        InputError: The rule is unknown, or the weights do not fit.
    """
    if rule not in RULES:
        raise unknown("rule to combine signals", rule, RULES)
    if weights and (len(weights) != count or min(weights) < 0 or sum(weights) <= 0):
        message = f"weights must be one number per signal, none negative and not all 0; got {[*weights]}"
        raise InputError(message, parameters=("weights",))


class CombinedSignal:
    """Several signals as one; it fails on an architecture if one of them does.

    Args:
        signals: At least one.
        reference: The architectures to compare with; those on which a signal fails are left out.
        rule: A name in ``RULES``.
        weights: One per signal, not negative; None for equal weights. They are divided by their sum.

    Raises:
        InputError: The rule is unknown, the weights do not fit, or every reference architecture fails.
    """

    def __init__(
        self, signals: Sequence[Signal], reference: Sequence[str], rule: str, weights: Sequence[float] | None = None
    ) -> None:
        check_combination(len(signals), rule, weights)
        weight = np.asarray(weights or [1.0] * len(signals), dtype=np.float64)
        self.name = f"{rule}({', '.join(signal.name for signal in signals)})"
        self.epochs = sum(signal.epochs for signal in signals)
        self.direction = 1
        self.timed = all(signal.timed for signal in signals)
        self._signals = tuple(signals)
        self._known: dict[str, Observation] = {}
        fitness = np.array([[observation.fitness for observation in signal.observe(reference)] for signal in signals])
        compared = fitness[:, np.isfinite(fitness).all(axis=0)]
        if not compared.size:
            raise InputError(f"{self.name} must have a value on some reference architecture, it has none")
        self._rule = RULES[rule](compared, weight / weight.sum())

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Combine the observations of the signals; seconds and epochs add up."""
        new = [architecture for architecture in dict.fromkeys(architectures) if architecture not in self._known]
        columns = zip(*(signal.observe(new) for signal in self._signals), strict=True)
        self._known |= zip(new, map(self._combine, columns), strict=True)
        return [self._known[architecture] for architecture in architectures]

    def _combine(self, observations: Sequence[Observation]) -> Observation:
        seconds = sum(observation.seconds for observation in observations)
        failure = next((observation.score for observation in observations if not observation.score.ok), None)
        if failure is not None:
            return Observation.of(failure, seconds, self.epochs)
        value = self._rule(np.array([observation.fitness for observation in observations]))
        return Observation.of(Score.of(value), seconds, self.epochs)
