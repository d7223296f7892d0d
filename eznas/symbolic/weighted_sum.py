"""Weighted sums of columns and of simple functions of columns, fitted to the order of the training architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.programs.sums import simple_functions, weighted_sum
from eznas.ranknet import RankNet
from eznas.symbolic.graph import Graph
from eznas.symbolic.operators import Language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.programs import Node
    from eznas.symbolic.task import SplitTask

_ARCHITECTURES = 500
"""Most training architectures of a task that weights are fitted to."""


class WeightedSums:
    """Fits weighted sums to training architectures.

    Args:
        columns: The columns that terms read.
        tasks: The tasks of selection.
        weights: The weight of each task in the loss.
        ridge: See ``RankNet``.
    """

    def __init__(
        self, columns: Sequence[str], tasks: Sequence[SplitTask], weights: Sequence[float], ridge: float
    ) -> None:
        places = [test.split.train[:_ARCHITECTURES] for test in tasks]
        leaves = np.concatenate(
            [test.task.matrix(columns)[:, chosen] for test, chosen in zip(tasks, places, strict=True)], axis=1
        )
        language = Language(columns)
        self._terms = list(language.leaves)
        for column, least in zip(language.leaves, leaves.min(axis=1), strict=True):
            if least >= 0:
                self._terms += simple_functions(column)
        graph = Graph(Language(columns, self._terms), leaves)
        values = graph.values(graph.add_trees(self._terms)).T
        ends = np.cumsum([len(chosen) for chosen in places])[:-1]
        accuracies = [test.task.accuracies[chosen] for test, chosen in zip(tasks, places, strict=True)]
        self._fit = RankNet(np.split(values, ends), accuracies, weights, ridge)

    def fit(self, most: int, keep_going: Callable[[], bool] = lambda: True) -> list[Node]:
        """Return sums of at most ``most`` terms, the longest one first; see ``RankNet.sums``."""
        return [
            weighted_sum([self._terms[place] for place in found.terms], found.weights.tolist())
            for found in self._fit.sums(most, keep_going)
        ]
