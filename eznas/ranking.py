"""Rank correlations: how well scores order architectures by accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray


_FEWEST = 5
"""The smallest number of architectures with an interval."""

_PAIRS = 1000
"""The largest number of architectures for which a bootstrap over the signs of all pairs is faster than sorting."""

_BLOCK, _SHORT = 32, 127
"""Ranks of a block whose pairs are compared, before blocks are sorted together; shorter rows are a single block."""

_EXACT_SUMS = 4096
"""Ranks up to which sums of places are whole numbers that float32 holds."""

_ENTRIES = 2**16
"""The number of scores that are ranked and compared at once, which fit into a processor's cache."""


@dataclass(frozen=True)
class Correlation:
    """Correlations of scores with accuracies over ``n`` architectures.

    Args:
        tau: Kendall's tau-b.
        tau_low: Lower end of the 95 % percentile bootstrap interval of tau.
        tau_high: Upper end of that interval.
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


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two taus over the same ``n`` architectures.

    Args:
        difference: Kendall's tau-b of the first scores minus that of the second.
        low: Lower end of the 95 % percentile bootstrap interval of the difference.
        high: Upper end of that interval.
        first: Tau of the first scores.
        second: Tau of the second scores.
        n: Number of architectures.
    """

    difference: float
    low: float
    high: float
    first: float
    second: float
    n: int


def correlate(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], *, seed: int = 0, resamples: int = 1000
) -> Correlation:
    """Correlate ``n`` finite scores with ``n`` accuracies.

    Correlations are NaN where they are undefined: fewer than two architectures, or constant scores or accuracies. The
    interval is NaN for fewer than five architectures, which have too few different resamples.

    Args:
        scores: ``n`` scores.
        accuracies: ``n`` accuracies.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples of the architectures.

    Raises:
        ValueError: The two differ in length or hold non-finite values.
    """
    if scores.shape != accuracies.shape or scores.ndim != 1:
        raise ValueError(
            f"scores and accuracies must be vectors of one length, got {scores.shape=} {accuracies.shape=}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(accuracies).all()):
        raise ValueError("scores and accuracies must be finite; leave out architectures without a score")
    n = len(scores)
    if n < 2 or np.ptp(scores) == 0 or np.ptp(accuracies) == 0:  # noqa: PLR2004 - a pair
        return Correlation(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    low, high = _interval(_bootstrap_taus(scores, accuracies, seed, resamples), n)
    ranks = stats.rankdata(scores), stats.rankdata(accuracies)
    return Correlation(
        tau=float(stats.kendalltau(scores, accuracies).statistic),
        tau_low=low,
        tau_high=high,
        rho=float(np.corrcoef(*ranks)[0, 1]),
        pearson=_pearson(scores, accuracies),
        n=n,
    )


def paired_difference(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    accuracies: NDArray[np.float64],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> PairedDifference:
    """Compare the taus of two proxies by a paired bootstrap: each resample of the architectures serves both.

    The difference is NaN where one of the taus is undefined. The interval is NaN for fewer than five architectures.

    Args:
        first: ``n`` finite scores.
        second: ``n`` finite scores of the same architectures.
        accuracies: ``n`` finite accuracies.
        seed: Seed of the bootstrap.
        resamples: Number of bootstrap resamples of the architectures.

    Raises:
        ValueError: The three differ in length or hold non-finite values.
    """
    tau, other = (correlate(scores, accuracies, resamples=0).tau for scores in (first, second))
    n = len(accuracies)
    if np.isnan(tau - other):
        return PairedDifference(np.nan, np.nan, np.nan, tau, other, n)
    drawn, others = (_bootstrap_taus(scores, accuracies, seed, resamples) for scores in (first, second))
    low, high = _interval(drawn - others, n)
    return PairedDifference(tau - other, low, high, tau, other, n)


def _bootstrap_taus(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], seed: int, resamples: int
) -> NDArray[np.float64]:
    """Return tau-b of each resample; the same seed and number of architectures give the same resamples."""
    n = len(scores)
    drawn = numpy_rng(seed, "bootstrap").integers(0, n, (resamples, n))
    return (_taus_by_pairs if n <= _PAIRS else _taus_by_sorting)(scores, accuracies, drawn)


def _interval(values: NDArray[np.float64], n: int) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile of the finite values; NaN for fewer than ``_FEWEST`` architectures."""
    values = values[np.isfinite(values)]
    if not len(values) or n < _FEWEST:
        return np.nan, np.nan
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _taus_by_pairs(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return tau-b of each row of drawn places, from the count of each place and the signs of all pairs."""
    counts = np.zeros(drawn.shape, np.float32)
    np.add.at(counts, (np.arange(len(drawn))[:, None], drawn), 1)

    def total(pairs: NDArray[np.float32]) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = np.einsum("rn,rn->r", counts @ pairs, counts, dtype=np.float64)
        return sums

    x, y = (np.sign(values[:, None] - values).astype(np.float32) for values in (scores, accuracies))
    scale = total(np.abs(x)) * total(np.abs(y))
    taus: NDArray[np.float64] = np.full(len(drawn), np.nan)
    np.divide(total(x * y), np.sqrt(scale), out=taus, where=scale > 0)
    return taus


def _taus_by_sorting(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return tau-b of each row of drawn places; NaN where scores or accuracies are constant there."""
    return np.array(
        [
            stats.kendalltau(scores[row], accuracies[row]).statistic
            if np.ptp(scores[row]) and np.ptp(accuracies[row])
            else np.nan
            for row in drawn
        ]
    )


def _pearson(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    # Correlation does not depend on scale; scaling first keeps scores near the float64 limit from overflowing.
    scaled = scores / np.abs(scores).max()
    return float(np.corrcoef(scaled, accuracies)[0, 1]) if np.ptp(scaled) else float("nan")


class TauTarget:
    """Accuracies prepared for Kendall's tau-b with many score vectors.

    With the networks sorted by accuracy, a pair is discordant where the later network has the smaller score. Pairs of
    networks at most ``_BLOCK`` places apart are compared, for many score vectors at once; those of neighbouring blocks
    are counted from the places that the second block takes when both are sorted together, block by larger block. The
    counts are exact, and the time is ``n log n``.

    Args:
        accuracies: ``n`` finite accuracies.
    """

    def __init__(self, accuracies: NDArray[np.float64]) -> None:
        self._order = np.argsort(accuracies, kind="stable")
        ordered = accuracies[self._order]
        n = len(ordered)
        self._pairs = n * (n - 1) // 2
        self._untied: list[NDArray[np.bool_]] = []  # by distance from 1, up to the last with a tied pair
        for distance in range(1, n):
            untied = ordered[distance:] != ordered[:-distance]
            if untied.all():
                break
            self._untied.append(untied)
        self._tied = sum(int(np.count_nonzero(~untied)) for untied in self._untied)

    def taus(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return tau-b of every row.

        Args:
            scores: ``p x n`` scores.

        Returns:
            ``p`` values; NaN where a row is constant or holds non-finite values.
        """
        return self.taus_and_ranks(scores)[0]

    def taus_and_ranks(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.integer[Any]]]:
        """Return the taus and the ``dense_ranks`` of the rows, which determine tau.

        Ranks are small integers, and faster to compare than scores.
        """
        taus = np.full(len(scores), np.nan)
        ranks = np.empty(scores.shape, _rank_type(scores.shape[1]))
        step = max(1, _ENTRIES // max(1, scores.shape[1]))
        for start in range(0, len(scores), step):
            rows = slice(start, start + step)
            ranks[rows] = dense_ranks(scores[rows])
            usable = start + np.flatnonzero(np.isfinite(scores[rows]).all(axis=1))
            taus[usable] = self._taus(ranks[usable][:, self._order])
        return taus, ranks

    def _taus(self, ordered: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return tau-b of the rows of ``p x n`` ranks in the order of the accuracies."""
        columns = np.ascontiguousarray(ordered.T)  # whose slices are contiguous
        tied = _tied_pairs(columns)
        discordant = _inversions(ordered)
        tied_in_both = np.zeros(len(ordered), np.int64)
        for distance, untied in enumerate(self._untied, start=1):
            same_accuracy = ~untied[:, None]
            later, earlier = columns[distance:], columns[:-distance]
            tied_in_both += np.count_nonzero((later == earlier) & same_accuracy, axis=0)
            discordant -= np.count_nonzero((later < earlier) & same_accuracy, axis=0)
        # concordant less discordant
        difference = self._pairs - tied - self._tied + tied_in_both - 2 * discordant
        scale = float(self._pairs - self._tied) * (self._pairs - tied)
        taus: NDArray[np.float64] = np.full(len(tied), np.nan)
        np.divide(difference, np.sqrt(scale), out=taus, where=scale > 0)
        return taus


def _inversions(ranks: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Count in each row of ``p x n`` ranks below ``n`` the pairs whose later rank is the smaller one."""
    rows, n = ranks.shape
    if n <= _SHORT:
        return _inversions_in_blocks(ranks, n)
    size = _BLOCK
    while size < n:
        size *= 2
    dtype = np.int16 if size <= np.iinfo(np.int16).max // 2 else np.int32
    padded = np.full((rows, size), n, dtype)  # places behind the last add no pair
    padded[:, :n] = ranks
    total = _inversions_in_blocks(padded, _BLOCK)
    exact = np.float32 if size <= _EXACT_SUMS else np.float64
    half = _BLOCK
    while half < size:
        keys = (2 * padded).reshape(rows, -1, 2 * half)
        keys[:, :, half:] += 1
        keys.sort(axis=2)  # of equal ranks, the one of the first block comes first
        second = (keys & 1).astype(exact).reshape(rows, size)
        places = second @ np.tile(np.arange(2 * half, dtype=exact), size // (2 * half))
        # the place of a rank of the second block is the number of ranks of both blocks before it
        before = places.astype(np.int64) - keys.shape[1] * (half * (half - 1) // 2)
        total += keys.shape[1] * half**2 - before
        half *= 2
    return total


def _inversions_in_blocks(ranks: NDArray[np.integer[Any]], block: int) -> NDArray[np.int64]:
    """Count the inversions within blocks of at most 128 ranks, by comparing all pairs."""
    rows, size = ranks.shape
    blocks = np.ascontiguousarray(ranks.T).reshape(size // max(block, 1), block, rows)
    counts = np.zeros(blocks.shape, np.int8)
    for distance in range(1, block):
        counts[:, distance:] += (blocks[:, distance:] < blocks[:, :-distance]).view(np.int8)
    total: NDArray[np.int64] = counts.sum(axis=(0, 1), dtype=np.int64)
    return total


def dense_ranks(scores: NDArray[np.float64]) -> NDArray[np.integer[Any]]:
    """Return the places of each row's values among its distinct values, from 0: ``p x n``, as are the scores.

    Two rows have the same ranks where they order the columns alike and are tied alike.
    """
    rows, n = scores.shape
    order = np.argsort(scores, axis=1)
    order += n * np.arange(rows)[:, None]
    ordered = np.take(scores, order, mode="clip")  # without a check of the places, which takes longer
    steps = np.zeros((rows, n), _rank_type(n))
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=steps[:, 1:])
    ranks = np.empty(rows * n, steps.dtype)
    ranks[order.ravel()] = steps.ravel()
    return ranks.reshape(rows, n)


def _rank_type(count: int) -> type[np.integer[Any]]:
    return np.int16 if count <= np.iinfo(np.int16).max else np.int32


def _tied_pairs(scores: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Count the pairs of equal values in each column."""
    ordered = np.sort(scores, axis=0)
    same = ordered[1:] == ordered[:-1]
    pairs = np.zeros(scores.shape[1], np.int64)
    columns = np.flatnonzero(same.any(axis=0))
    same = same[:, columns]
    places = np.arange(1, len(scores))[:, None]
    starts = np.maximum.accumulate(np.where(same, 0, places), axis=0)  # where each run of equal values begins
    pairs[columns] = np.where(same, places - starts, 0).sum(axis=0)
    return pairs
