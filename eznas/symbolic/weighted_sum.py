"""Weighted sums of simple functions of columns, fitted to the order of the training architectures.

A term is a column, or its root, tenth root or logarithm. Terms are added one at a time, and after each one all weights
are fitted again. The loss is the pairwise logistic loss of RankNet (Burges et al., 2005). For one task it is the mean
of ``log(1 + exp(s_worse - s_better))`` over the pairs of architectures with different accuracies, where ``s`` is the
weighted sum. The loss is averaged over tasks, and a small ridge penalty is added.
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

_ARCHITECTURES = 250
"""Most training architectures of a task that weights are fitted to."""

_TRIED = 8
"""Terms for which all weights are fitted before the best of them is added."""

_RIDGE = 1e-3
"""Weight of the sum of the squared weights of standardised terms in the loss."""

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
    """

    def __init__(self, columns: Sequence[str], tasks: Sequence[SplitTask], weights: Sequence[float]) -> None:
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
        """Return the sums of two to ``most`` terms.

        Args:
            most: Most terms.
            keep_going: Asked before each further term.
        """
        chosen: list[int] = []
        weights: NDArray[np.float64] = np.empty(0)
        programs = []
        while len(chosen) < min(most, len(self._terms)) and keep_going():
            gains = self._gains(self._values[:, chosen] @ weights)
            order = np.argsort(-gains, kind="stable")
            tried = order[~np.isin(order, chosen)][:_TRIED]
            fits = [self._fitted([*chosen, int(term)], np.append(weights, 0.0)) for term in tried]
            best = int(np.argmin([loss for loss, _ in fits]))
            chosen, weights = [*chosen, int(tried[best])], fits[best][1]
            if len(chosen) > 1:
                programs.append(self._program(chosen, weights))
        return programs

    def _gains(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the decrease of the loss by each term, times two, by a quadratic approximation of the loss."""
        slope, curvature = np.zeros(self._values.shape[1]), np.zeros(self._values.shape[1])
        for task in self._tasks:
            values, wrong = self._values[task.rows], _wrong(scores[task.rows])
            pull = task.pairs * wrong
            slope += (pull.sum(axis=1) - pull.sum(axis=0)) @ values
            bend = pull * (1 - wrong)
            bend += bend.T
            curvature += bend.sum(axis=1) @ np.square(values) - (values * (bend @ values)).sum(axis=0)
        gains: NDArray[np.float64] = np.square(slope) / (curvature + 2 * _RIDGE)
        return gains

    def _fitted(self, chosen: list[int], start: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss and the weights of some terms."""
        values = self._values[:, chosen]

        def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            scores = values @ weights
            total, slope = _RIDGE * float(weights @ weights), 2 * _RIDGE * weights
            for task in self._tasks:
                own = scores[task.rows]
                pull = task.pairs * _wrong(own)
                total += float((task.pairs * np.logaddexp(0.0, own - own[:, None])).sum())
                slope = slope - (pull.sum(axis=1) - pull.sum(axis=0)) @ values[task.rows]
            return total, slope

        found = minimize(loss, start, jac=True, method="L-BFGS-B")
        return float(found.fun), found.x

    def _program(self, chosen: list[int], weights: NDArray[np.float64]) -> Node:
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
