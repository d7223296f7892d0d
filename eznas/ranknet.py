"""Weights of sums of terms, fitted to the order of architectures.

The weights of all terms are fitted, the fifth of the terms with the smallest weights is dropped, and the weights of the
others are fitted again (recursive feature elimination, Guyon et al., 2002). The loss is the pairwise logistic loss of
RankNet (Burges et al., 2005). For one task it is the mean of ``log(1 + exp(s_worse - s_better))`` over the pairs of
architectures with different accuracies, where ``s`` is the weighted sum. The loss is averaged over tasks, and a ridge
penalty is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_KEPT = 0.8
"""Share of the terms that remain after a fit."""

_FEWEST = 2
"""Terms of the shortest sum."""

_STEPS = 300
"""Most steps of a fit."""

_SPREAD = (1e-4, 1e4)
"""Least and greatest standard deviation within tasks of a term; a weight divided by it remains a plain number."""

_FARTHEST = 12.0
"""Most standard deviations between an architecture's term and the task's mean; no single network decides a weight."""


@dataclass(frozen=True)
class _Task:
    """The rows of a task among all architectures, and the weight of each pair ``[better, worse]``."""

    rows: slice
    pairs: NDArray[np.float64]


@dataclass(frozen=True)
class Sum:
    """A weighted sum.

    Args:
        terms: The places of ``k`` terms among all terms, in ascending order.
        weights: ``k`` weights of the terms as they were given, not standardised.
    """

    terms: NDArray[np.intp]
    weights: NDArray[np.float64]


class RankNet:
    """Fits weighted sums to the order of the architectures of several tasks.

    Args:
        values: For each task, ``n x p`` values of terms. A term whose standard deviation within tasks is below 1e-4 or
            above 1e4 is not used, nor one that is more than 12 standard deviations from the mean on an architecture.
        accuracies: For each task, ``n`` accuracies.
        weights: The weight of each task in the loss.
        ridge: The weight in the loss of the sum of the squared weights of standardised terms.
    """

    def __init__(
        self,
        values: Sequence[NDArray[np.float64]],
        accuracies: Sequence[NDArray[np.float64]],
        weights: Sequence[float],
        ridge: float,
    ) -> None:
        self._ridge = ridge
        self._tasks: list[_Task] = []
        start = 0
        for labels, weight in zip(accuracies, weights, strict=True):
            better = (labels[:, None] > labels).astype(np.float64)
            rows = slice(start, start := start + len(labels))
            pairs = max(better.sum(), 1.0)  # a task of equal accuracies has none
            self._tasks.append(_Task(rows, better * (weight / sum(weights) / pairs)))
        with np.errstate(all="ignore"):  # a term that overflows is not used
            centred = np.concatenate([of_task - of_task.mean(axis=0) for of_task in values])
            spread = np.sqrt(np.mean([np.square(centred[task.rows]).mean(axis=0) for task in self._tasks], axis=0))
            centred /= spread
            farthest = np.abs(centred).max(axis=0)
        self._usable = np.flatnonzero((spread > _SPREAD[0]) & (spread < _SPREAD[1]) & (farthest < _FARTHEST))
        self._values, self._spread = centred[:, self._usable], spread[self._usable]

    def sums(self, most: int, keep_going: Callable[[], bool] = lambda: True) -> Iterator[Sum]:
        """Yield sums of at most ``most`` terms, the longest one first, and the shortest one with two terms.

        Args:
            most: Most terms.
            keep_going: Asked after each fit. When it answers no, the terms are cut to ``most`` at once, or, if there is
                a sum already, no further one is fitted.
        """
        kept = np.arange(len(self._usable))
        weights = self._fitted(kept, np.zeros(len(kept)))
        while len(kept) >= _FEWEST:
            if short := len(kept) <= most:
                yield Sum(self._usable[kept], weights / self._spread[kept])
            in_time = keep_going()
            if len(kept) <= _FEWEST or (short and not in_time):
                break
            left = int(len(kept) * _KEPT) if in_time else most
            largest = np.argsort(-np.abs(weights), kind="stable")[: max(left, _FEWEST if short else most)]
            largest.sort()
            kept = kept[largest]
            weights = self._fitted(kept, weights[largest])

    def _fitted(self, chosen: NDArray[np.intp], start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of some terms.

        The best weights are a sum of rows of the values. If there are more terms than rows, the weights are therefore
        fitted in the space of the right singular vectors, which has fewer dimensions and the same norm.
        """
        values = self._values[:, chosen]
        if len(chosen) <= len(values):
            return self._minimised(values, start)
        left, singular, right = np.linalg.svd(values, full_matrices=False)
        return np.asarray(right.T @ self._minimised(left * singular, right @ start))

    def _minimised(self, values: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            scores = values @ weights
            total, slope = self._ridge * float(weights @ weights), 2 * self._ridge * weights
            for task in self._tasks:
                own = scores[task.rows]
                pull = task.pairs * _wrong(own)
                total += float((task.pairs * np.logaddexp(0.0, own - own[:, None])).sum())
                slope = slope - (pull.sum(axis=1) - pull.sum(axis=0)) @ values[task.rows]
            return total, slope

        found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
        return found


def _wrong(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each pair ``[better, worse]`` the probability that the model gives to the wrong order."""
    return 0.5 * (1 - np.tanh((scores[:, None] - scores) / 2))
