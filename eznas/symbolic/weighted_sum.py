"""Weighted sums of simple functions of columns, fitted to the order of the training architectures.

A term is a column, or its root, tenth root or logarithm. The weights of all terms are fitted, the fifth of the terms
with the smallest weights is dropped, and the weights of the others are fitted again (recursive feature elimination,
Guyon et al., 2002). The loss is the pairwise logistic loss of RankNet (Burges et al., 2005). For one task it is the
mean of ``log(1 + exp(s_worse - s_better))`` over the pairs of architectures with different accuracies, where ``s`` is
the weighted sum. The loss is averaged over tasks, and a ridge penalty is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from eznas.programs import apply, literal
from eznas.symbolic.graph import Graph
from eznas.symbolic.operators import Language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.symbolic.task import SplitTask


_ROOT = 0.1
"""Exponent of a term: nearly a logarithm over many orders of magnitude, and defined at 0."""

_ARCHITECTURES = 500
"""Most training architectures of a task that weights are fitted to."""

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

_DIGITS = 4


@dataclass(frozen=True)
class _Task:
    """The rows of a task among all training architectures, and the weight of each pair ``[better, worse]``."""

    rows: slice
    pairs: NDArray[np.float64]


class WeightedSums:
    """Fits weighted sums to training architectures.

    Args:
        columns: The columns that terms read.
        tasks: The tasks of selection.
        weights: The weight of each task in the loss.
        ridge: The weight in the loss of the sum of the squared weights of standardised terms.
    """

    def __init__(
        self, columns: Sequence[str], tasks: Sequence[SplitTask], weights: Sequence[float], ridge: float
    ) -> None:
        self._ridge = ridge
        places = [test.split.train[:_ARCHITECTURES] for test in tasks]
        leaves = np.concatenate(
            [test.task.matrix(columns)[:, chosen] for test, chosen in zip(tasks, places, strict=True)], axis=1
        )
        self._tasks: list[_Task] = []
        start = 0
        for test, chosen, weight in zip(tasks, places, weights, strict=True):
            accuracies = test.task.accuracies[chosen]
            better = (accuracies[:, None] > accuracies).astype(np.float64)
            rows = slice(start, start := start + len(chosen))
            pairs = max(better.sum(), 1.0)  # a task of equal accuracies has none
            self._tasks.append(_Task(rows, better * (weight / sum(weights) / pairs)))
        self._terms, self._values, self._spread = self._candidates(columns, leaves)

    def _candidates(
        self, columns: Sequence[str], leaves: NDArray[np.float64]
    ) -> tuple[list[Node], NDArray[np.float64], NDArray[np.float64]]:
        """Return the terms that can be used, their standardised values ``n x p``, and their standard deviations."""
        terms = list(Language(columns).leaves)
        for column, least in zip(list(terms), leaves.min(axis=1), strict=True):
            if least >= 0:
                positive = apply("relu", column)  # rounding makes zeros negative on some networks
                terms += [apply("sqrt", positive), apply("power", positive, literal(_ROOT)), apply("log1p", positive)]
        graph = Graph(Language(columns, terms), leaves)
        values = graph.values(graph.add_trees(terms)).T.copy()
        with np.errstate(all="ignore"):  # a term that overflows is not used
            for task in self._tasks:
                values[task.rows] -= values[task.rows].mean(axis=0)
            spread = np.sqrt(np.mean([np.square(values[task.rows]).mean(axis=0) for task in self._tasks], axis=0))
            values /= spread
            farthest = np.abs(values).max(axis=0)
        usable = np.flatnonzero((spread > _SPREAD[0]) & (spread < _SPREAD[1]) & (farthest < _FARTHEST))
        return [terms[place] for place in usable], values[:, usable], spread[usable]

    def fit(self, most: int, keep_going: Callable[[], bool] = lambda: True) -> list[Node]:
        """Return sums of at most ``most`` terms, the longest one first, and the shortest one with two terms.

        Args:
            most: Most terms.
            keep_going: Asked after each fit. When it answers no, the terms are cut to ``most`` at once, or, if there is
                a sum already, no further one is fitted.
        """
        kept = np.arange(len(self._terms))
        weights = self._fitted(kept, np.zeros(len(kept)))
        programs: list[Node] = []
        while len(kept) >= _FEWEST:
            if len(kept) <= most:
                programs.append(self._program(kept, weights))
            in_time = keep_going()
            if len(kept) <= _FEWEST or (programs and not in_time):
                break
            left = int(len(kept) * _KEPT) if in_time else most
            largest = np.argsort(-np.abs(weights), kind="stable")[: max(left, most if len(kept) > most else _FEWEST)]
            largest.sort()
            kept = kept[largest]
            weights = self._fitted(kept, weights[largest])
        return programs

    def _fitted(self, chosen: NDArray[np.intp], start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of some terms."""
        values = self._values[:, chosen]

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

    def _program(self, chosen: NDArray[np.intp], weights: NDArray[np.float64]) -> Node:
        parts = [
            apply("scale", self._terms[term], literal(float(f"{weight / self._spread[term]:.{_DIGITS}g}")))
            for term, weight in zip(chosen, weights, strict=True)
        ]
        while len(parts) > 1:  # a balanced tree, which is not high
            pairs = zip(parts[::2], parts[1::2], strict=False)
            parts = [*(apply("add", one, other) for one, other in pairs), *parts[len(parts) // 2 * 2 :]]
        return parts[0]


def _wrong(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each pair ``[better, worse]`` the probability that the model gives to the wrong order."""
    return 0.5 * (1 - np.tanh((scores[:, None] - scores) / 2))
