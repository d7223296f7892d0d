"""Rank correlations: how well scores order architectures by accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from eznas.inversions import Inversions, int_type
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray


_FEWEST = 5
"""The smallest number of architectures with an interval."""

_PAIRS = 1000
"""The largest number of architectures for which a bootstrap over the signs of all pairs is faster than sorting."""

_ENTRIES, _ROWS = 2**14, 32
"""The number of scores that are ranked and compared at once, so that arrays stay in caches; at least so many rows."""


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
    little faster than the number of networks up to about 8,000.

    Args:
        accuracies: ``n`` finite accuracies.
        columns: The columns of scores that belong to them; None for all, in this order.
    """

    def __init__(self, accuracies: NDArray[np.float64], columns: NDArray[np.int64] | None = None) -> None:
        order = np.argsort(accuracies, kind="stable")
        ordered = accuracies[order]
        self._order = order if columns is None else columns[order]
        n = len(ordered)
        self._pairs = n * (n - 1) // 2
        self._inversions = Inversions(n)
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
        n = len(self._order)
        ranks = np.zeros((len(scores), n), int_type(n))
        step = max(_ROWS, _ENTRIES // max(1, n))
        for start in range(0, len(scores), step):
            ordered = np.take(scores[start : start + step], self._order, axis=1)
            usable = np.flatnonzero(np.isfinite(ordered).all(axis=1))
            places, steps = _sorted(ordered if len(usable) == len(ordered) else ordered[usable])
            usable += start
            ranks[usable] = of_usable = _in_columns(places, steps)
            taus[usable] = self._taus(of_usable, places, steps)
        return taus, ranks

    def _taus(
        self, ranks: NDArray[np.integer[Any]], places: NDArray[np.int64], steps: NDArray[np.integer[Any]]
    ) -> NDArray[np.float64]:
        """Return tau-b of rows from their ranks in the order of the accuracies, and from ``_sorted``."""
        tied = _tied_pairs(steps)
        discordant = self._inversions.count(ranks, places)
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

    Returns:
        The columns of the sorted scores, and their ``dense_ranks``; both are ``p x n``.
    """
    places, steps = np.empty(scores.shape, np.int64), np.empty(scores.shape, int_type(scores.shape[1]))
    step = max(_ROWS, _ENTRIES // max(1, scores.shape[1]))
    for start in range(0, len(scores), step):
        part = slice(start, start + step)
        _sort(scores[part], places[part], steps[part])
    return places, steps


def _sort(scores: NDArray[np.float64], places: NDArray[np.int64], steps: NDArray[np.integer[Any]]) -> None:
    """Fill in the results of ``_sorted``.

    The integers that are sorted have the leading bits of the scores and, in place of the last bits, the columns. Only
    rows in which two scores have the same leading bits are looked at again: their scores may be equal, or out of order.
    """
    n = scores.shape[1]
    last = (1 << n.bit_length()) - 1
    keys = (scores + 0.0).view(np.int64)  # the sum has no minus zero
    keys ^= (keys >> 63) & np.iinfo(np.int64).max  # integers in the order of the scores, negative ones too
    keys &= ~last
    keys |= np.arange(n)
    keys.sort(axis=1)
    np.bitwise_and(keys, last, out=places)
    steps[:] = np.arange(n)
    again = np.flatnonzero(((keys[:, 1:] ^ keys[:, :-1]).view(np.uint64) <= last).any(axis=1))
    if not len(again):
        return
    scores, found = scores[again], places[again]
    starts = n * np.arange(len(again))[:, None]
    ordered = np.take(scores, found + starts, mode="clip")  # without a check of the places, which takes longer
    wrong = np.flatnonzero((ordered[:, 1:] < ordered[:, :-1]).any(axis=1))
    if len(wrong):
        found[wrong] = np.argsort(scores[wrong], axis=1, kind="stable")
        places[again[wrong]] = found[wrong]
        ordered[wrong] = np.take_along_axis(scores[wrong], found[wrong], axis=1)
    steps[again, 1:] = np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, dtype=steps.dtype)


def _in_columns(places: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
    """Return ``p x n`` values with each at its place in its row, a permutation of 0 to ``n - 1``."""
    rows, n = places.shape
    placed = np.empty(rows * n, values.dtype)
    placed[(places + n * np.arange(rows)[:, None]).ravel()] = values.ravel()
    return placed.reshape(rows, n)


def dense_ranks(scores: NDArray[np.float64]) -> NDArray[np.integer[Any]]:
    """Return the places of each row's values among its distinct values, from 0: ``p x n``, as are the finite scores.

    Two rows have the same ranks where they order the columns alike and are tied alike.
    """
    return _in_columns(*_sorted(scores))


def _tied_pairs(steps: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Count the pairs of equal ranks in each row of ``p x n`` sorted dense ranks."""
    rows, n = steps.shape
    pairs = np.zeros(rows, np.int64)
    tied = np.flatnonzero(steps[:, -1] < n - 1) if n else ()
    if len(tied):
        cells = (steps[tied] + n * np.arange(len(tied))[:, None]).ravel()
        equal = np.bincount(cells, minlength=n * len(tied)).reshape(len(tied), n)
        pairs[tied] = (equal * (equal - 1)).sum(axis=1) // 2
    return pairs
