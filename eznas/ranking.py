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

_MOST_BITS = 7
"""Binary logarithm of the most numbers of a block, whose pairs are counted in 8 bits."""

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
    if n < 2 or scores.min() == scores.max() or accuracies.min() == accuracies.max():  # noqa: PLR2004 - a pair
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

    with np.errstate(over="ignore"):  # of differences, whose signs stay right
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

    The networks, in the order of their accuracies, are sorted by score; equal scores stay in the order of accuracies.
    A pair is then discordant where the later network has the smaller accuracy. The counts are exact, and the time grows
    little faster than the number of networks up to about 16,000.

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
        """Return the taus of the rows, and their ``dense_ranks``, which determine tau.

        The ranks are in the order of the accuracies; those of a row that holds non-finite values are 0.
        """
        taus = np.full(len(scores), np.nan)
        ranks = np.zeros(scores.shape, _int_type(scores.shape[1]))
        step = max(1, _ENTRIES // max(1, scores.shape[1]))
        for start in range(0, len(scores), step):
            usable = start + np.flatnonzero(np.isfinite(scores[start : start + step]).all(axis=1))
            ordered = scores[usable][:, self._order]
            places, steps = _sorted(ordered)
            ranks[usable] = _in_columns(places, steps)
            taus[usable] = self._taus(ranks[usable], places, steps)
        return taus, ranks

    def _taus(
        self, ranks: NDArray[np.integer[Any]], places: NDArray[np.int64], steps: NDArray[np.integer[Any]]
    ) -> NDArray[np.float64]:
        """Return tau-b of rows from their ranks in the order of the accuracies, and from ``_sorted``."""
        tied = _tied_pairs(steps)
        discordant = _inversions(places)
        tied_in_both = np.zeros(len(ranks), np.int64)
        columns = np.ascontiguousarray(ranks.T) if self._untied else ranks.T  # whose slices are contiguous
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


def _sorted(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.integer[Any]]]:
    """Sort the rows of ``p x n`` finite scores; equal scores stay in the order of the columns.

    The integers that are sorted have the leading bits of the scores and, in place of the last bits, the columns. Rows
    of which that is not the order, since some scores differ in the last bits alone, are sorted again.

    Returns:
        The columns of the sorted scores, and their ``dense_ranks``; both are ``p x n``.
    """
    rows, n = scores.shape
    last = (1 << n.bit_length()) - 1
    keys = (scores + 0.0).view(np.int64)  # the sum has no minus zero
    keys ^= (keys >> 63) & np.iinfo(np.int64).max  # integers in the order of the scores, negative ones too
    keys &= ~last
    keys |= np.arange(n)
    keys.sort(axis=1)
    places = keys & last
    starts = n * np.arange(rows)[:, None]
    ordered = np.take(scores, places + starts, mode="clip")  # without a check of the places, which takes longer
    wrong = np.flatnonzero((ordered[:, 1:] < ordered[:, :-1]).any(axis=1))
    if len(wrong):
        places[wrong] = np.argsort(scores[wrong], axis=1, kind="stable")
        ordered[wrong] = np.take_along_axis(scores[wrong], places[wrong], axis=1)
    steps = np.zeros((rows, n), _int_type(n))
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=steps[:, 1:])
    return places, steps


def _in_columns(places: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """Return ``p x n`` values with each at its place in its row, a permutation of 0 to ``n - 1``."""
    rows, n = places.shape
    placed = np.empty(rows * n, values.dtype)
    placed[(places + n * np.arange(rows)[:, None]).ravel()] = values.ravel()
    return placed.reshape(rows, n)


def _inversions(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count in each row of ``p x n`` permutations of 0 to ``n - 1`` the pairs whose later number is the smaller one.

    Positions and numbers are cut into blocks of about the root of ``n``. The pairs in one block of positions are
    compared, and so are the pairs in one block of numbers, by the blocks of their positions. All other pairs are
    counted from the number of entries that each block of positions has of each block of numbers.
    """
    rows, n = places.shape
    bits = min(_MOST_BITS, max(1, n.bit_length() // 2))
    blocks = -(-n // (1 << bits))
    block_of = np.arange(n) >> bits
    total = _inversions_in_blocks(places, bits)
    positions = _in_columns(places, np.broadcast_to(block_of.astype(_int_type(blocks)), places.shape))
    total += _inversions_in_blocks(positions, bits)
    cells = ((places >> bits) * blocks + block_of) * rows + np.arange(rows)[:, None]
    entries = np.bincount(cells.ravel(), minlength=blocks * blocks * rows).reshape(blocks, blocks, rows)
    greater = np.zeros((blocks, rows), np.int64)  # entries of greater numbers, by block of positions
    for number in range(blocks - 1, -1, -1):
        before = np.cumsum(greater[:-1], axis=0)
        total += (before * entries[number, 1:]).sum(axis=0)
        greater += entries[number]
    return total


def _inversions_in_blocks(numbers: NDArray[np.integer[Any]], bits: int) -> NDArray[np.int64]:
    """Count in each row the pairs within blocks of ``2^bits`` numbers, at most 128, whose later number is smaller."""
    rows, n = numbers.shape
    size = -(-n // (1 << bits)) << bits
    columns = np.full((size, rows), n, _int_type(n))  # behind the last number, where no pair counts
    columns[:n] = numbers.T
    blocks = columns.reshape(size >> bits, 1 << bits, rows)
    counts = np.zeros(blocks.shape, np.int8)
    for distance in range(1, 1 << bits):
        counts[:, distance:] += (blocks[:, distance:] < blocks[:, :-distance]).view(np.int8)
    total: NDArray[np.int64] = counts.sum(axis=(0, 1), dtype=np.int64)
    return total


def dense_ranks(scores: NDArray[np.float64]) -> NDArray[np.integer[Any]]:
    """Return the places of each row's values among its distinct values, from 0: ``p x n``, as are the finite scores.

    Two rows have the same ranks where they order the columns alike and are tied alike.
    """
    return _in_columns(*_sorted(scores))


def _int_type(greatest: int) -> type[np.signedinteger[Any]]:
    """Return the smallest type of integers up to a number."""
    return next(kind for kind in (np.int8, np.int16, np.int32) if greatest <= np.iinfo(kind).max)


def _tied_pairs(ordered: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Count the pairs of equal values in each row of ``p x n`` sorted values."""
    same = ordered[:, 1:] == ordered[:, :-1]
    pairs = np.zeros(len(ordered), np.int64)
    rows = np.flatnonzero(same.any(axis=1))
    same = same[rows]
    places = np.arange(1, ordered.shape[1])
    starts = np.maximum.accumulate(np.where(same, 0, places), axis=1)  # where each run of equal values begins
    pairs[rows] = np.where(same, places - starts, 0).sum(axis=1)
    return pairs
