"""Acquisition functions: from predicted means and standard deviations to the order in which candidates are queried.

References:
    [BANANAS] White, Neiswanger, Savani. BANANAS: Bayesian Optimization with Neural Architectures for Neural
        Architecture Search. AAAI 2021.
    [EI] Jones, Schonlau, Welch. Efficient Global Optimization of Expensive Black-Box Functions. 1998.
    [BTS] Eckles, Kaptein. Thompson Sampling with the Online Bootstrap. 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from eznas.registry import Registry

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_CONFIDENCE = 0.5
"""Standard deviations above the mean of ``ucb``, as in the code of [BANANAS]."""


@dataclass(frozen=True)
class Acquisition:
    """One acquisition function; candidates with the highest values are queried.

    Args:
        name: The name in options.
        formula: Its value for a candidate with mean ``m`` and standard deviation ``s``.
        value: Returns the values of ``n`` candidates, given their means, standard deviations, the best fitness so far,
            and the search's random draws.
        deviation: Whether it reads standard deviations.
        resampled: Whether the model is fitted to a bootstrap sample of the observations.
    """

    name: str
    formula: str
    value: Callable[[Array, Array, float, random.Random], Array]
    deviation: bool = True
    resampled: bool = False


def _independent_thompson(mean: Array, deviation: Array, best: float, rng: random.Random) -> Array:
    del best
    normal = np.array([rng.gauss(0.0, 1.0) for _ in mean])
    return np.asarray(mean + deviation * normal)


def _expected_improvement(mean: Array, deviation: Array, best: float, rng: random.Random) -> Array:
    del rng
    gain = mean - best
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gain / deviation
        density = np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
        expected = gain * special.ndtr(ratio) + deviation * density
    return np.where(deviation > 0, expected, np.maximum(gain, 0.0))


def _upper_confidence_bound(mean: Array, deviation: Array, best: float, rng: random.Random) -> Array:
    del best, rng
    return np.asarray(mean + _CONFIDENCE * deviation)


def _mean(mean: Array, deviation: Array, best: float, rng: random.Random) -> Array:
    del deviation, best, rng
    return mean


ACQUISITIONS: Registry[Acquisition] = Registry("acquisition", lambda acquisition: acquisition.name)
"""Acquisition functions by name."""

ACQUISITIONS.register(
    Acquisition("its", "m + s * z, with a standard normal z for each candidate [BANANAS]", _independent_thompson)
)
ACQUISITIONS.register(
    Acquisition("ei", "E[max(y - b, 0)] for a normal y and the best fitness b [EI]", _expected_improvement)
)
ACQUISITIONS.register(Acquisition("ucb", "m + s / 2 [BANANAS]", _upper_confidence_bound))
ACQUISITIONS.register(Acquisition("mean", "m", _mean, deviation=False))
ACQUISITIONS.register(
    Acquisition(
        "thompson", "m, fitted to a bootstrap sample of the observations [BTS]", _mean, deviation=False, resampled=True
    )
)
