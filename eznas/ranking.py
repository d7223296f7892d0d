"""Rank correlations: how well scores order architectures by accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Correlation", "TauTarget", "correlate"]


_MOST = 4_000


@dataclass(frozen=True)
class Correlation:
    """Correlations of scores with accuracies over ``n`` architectures.

    Args:
        tau: Kendall's tau-b.
        tau_low: Lower end of the 95 % percentile bootstrap interval of tau.
        tau_high: Upper end of it.
        rho: Spearman's rank correlation.
        pearson: Pearson's correlation.
        n: Number of architectures.
    """

    tau: float
    tau_low: float
    tau_high: float
    rho: float
    pearson: float
    n: int


def correlate(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], *, seed: int = 0, resamples: int = 1000
) -> Correlation:
    """Correlate ``n`` finite scores with ``n`` accuracies.

    Every figure is NaN where it is undefined: fewer than two architectures, or constant scores or accuracies.

    Args:
        scores: ``n`` scores.
        accuracies: ``n`` accuracies.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples of the architectures.

    Raises:
        ValueError: The two differ in length or hold a value that is not finite.
    """
    if scores.shape != accuracies.shape or scores.ndim != 1:
        raise ValueError(
            f"scores and accuracies must be vectors of one length, got {scores.shape=} {accuracies.shape=}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(accuracies).all()):
        raise ValueError("scores and accuracies must be finite; leave out what was not scored")
    n = len(scores)
    if n < 2 or np.ptp(scores) == 0 or np.ptp(accuracies) == 0:  # noqa: PLR2004 - a pair
        return Correlation(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    rng = numpy_rng(seed, "bootstrap")
    taus = []
    for _ in range(resamples):
        chosen = rng.integers(0, n, n)
        if np.ptp(scores[chosen]) and np.ptp(accuracies[chosen]):
            taus.append(float(stats.kendalltau(scores[chosen], accuracies[chosen]).statistic))
    low, high = np.percentile(taus, [2.5, 97.5]) if taus else (np.nan, np.nan)
    ranks = stats.rankdata(scores), stats.rankdata(accuracies)
    return Correlation(
        tau=float(stats.kendalltau(scores, accuracies).statistic),
        tau_low=float(low),
        tau_high=float(high),
        rho=float(np.corrcoef(*ranks)[0, 1]),
        pearson=_pearson(scores, accuracies),
        n=n,
    )


def _pearson(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    # Correlation does not depend on scale; scaling first keeps scores near the float64 limit from overflowing.
    scaled = scores / np.abs(scores).max()
    return float(np.corrcoef(scaled, accuracies)[0, 1]) if np.ptp(scaled) else float("nan")


class TauTarget:
    """Accuracies prepared for Kendall's tau-b with many score vectors.

    All ordered pairs are compared at once, which up to a thousand architectures is several times faster than sorting.

    Args:
        accuracies: ``n`` finite accuracies.

    Raises:
        ValueError: There are more than 4,000 accuracies, for which the pairs no longer count exactly in float32.
    """

    def __init__(self, accuracies: NDArray[np.float64]) -> None:
        if len(accuracies) > _MOST:
            raise ValueError(f"at most {_MOST} accuracies can be compared by pairs, got {len(accuracies)}")
        better = accuracies[:, None] > accuracies
        self._order = (better.astype(np.float32) - better.T).ravel()
        self._untied = np.count_nonzero(better)

    def taus(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return tau-b of every row.

        Args:
            scores: ``p x n`` scores.

        Returns:
            ``p`` values; NaN where a row is constant or holds a value that is not finite.
        """
        taus = np.full(len(scores), np.nan)
        for row in np.flatnonzero(np.isfinite(scores).all(axis=1)):
            taus[row] = self._tau(scores[row])
        return taus

    def _tau(self, scores: NDArray[np.float64]) -> float:
        greater = (scores[:, None] > scores).ravel()
        scale = float(self._untied) * float(np.count_nonzero(greater))
        # Concordant minus discordant pairs: a sum of at most 2^23 ones, which float32 holds exactly.
        return float(np.dot(greater.astype(np.float32), self._order)) / scale**0.5 if scale else float("nan")
