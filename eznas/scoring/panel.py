"""Panels: networks under one condition on which reductions are evaluated.

A reduction's values on a network are one number a unit, about fifty floats; the statistics under it are megabytes. So
the networks run once for each batch of new reductions, and programs made of known reductions never need them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from eznas.programs import leaf
from eznas.progress import SILENT, Progress
from eznas.scoring.evaluate_leaves import evaluate_leaves
from eznas.scoring.evaluate_networks import TOGETHER, NetworkBatch, Vectors, evaluate_networks
from eznas.scoring.executor import SERIAL, Executor
from eznas.scoring.vector_table import VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring.condition import Condition
    from eznas.scoring.vector_store import VectorStore


_SCREENED = 2
"""Networks on which a reduction must be finite before it is evaluated on the others."""

_TURNS = 2
"""Batches for each process at least, so that all processes end at about the same time."""


class Panel:
    """Networks under one condition.

    Args:
        condition: How the networks are built and run.
        architectures: ``n`` architectures, in the order of every score vector.
        store: Holds vectors of earlier runs and takes new ones; None for no store.
        executor: Runs the networks.

    Attributes:
        table: The vectors of the reductions known so far.
        failures: For each network that could not be run, the reason.
        leaf_failures: For each leaf, and each network on which it has no value, the reason.
    """

    def __init__(
        self,
        condition: Condition,
        architectures: Sequence[str],
        store: VectorStore | None = None,
        executor: Executor = SERIAL,
    ) -> None:
        self.condition = condition
        self.architectures = tuple(architectures)
        self.executor = executor
        self.table = VectorTable()
        self.failures: dict[str, str] = {}
        self.leaf_failures: dict[str, dict[str, str]] = {}
        self._store = store
        self._captured = 0  # bytes of a network's statistics at most

    def extend(
        self, reductions: Sequence[Node], progress: Progress = SILENT, *, screen: bool = False
    ) -> list[NDArray[np.bool_]]:
        """Evaluate new reductions on every network; of those that ``simplify_exact`` makes equal, one.

        Args:
            reductions: Reductions; those that are known already are not evaluated again.
            progress: Advances after each network.
            screen: Whether to evaluate on the first two networks first, and on the others only the reductions that are
                finite there; the rest is NaN everywhere.

        Returns:
            For each reduction, ``n`` flags: whether its values are finite on every unit of the network.
        """
        new = self.table.missing(reductions)
        if new and screen and len(self.architectures) > _SCREENED:
            self._learn_screened(new, progress)
        elif new:
            self.table.learn(new, self._evaluate(new, self.architectures, progress))
        return self.table.finite(reductions)

    def extend_leaves(self, names: Sequence[str], progress: Progress = SILENT) -> list[NDArray[np.bool_]]:
        """Compute new leaves of the network floor on every network; a network without a value has NaN.

        Each network is built once for all measures, which share their passes. Features are computed from the
        architectures alone.

        Args:
            names: Names such as ``"measure.synflow"`` and ``"graf.conv_1x1"``; known ones are not computed again.
            progress: Advances after each network.

        Returns:
            For each name, ``n`` flags: whether the network has a finite value.

        Raises:
            InputError: There is no such measure or feature, or a name is a column of a score file.
        """
        leaves = [leaf(name) for name in names]
        new = [node for node in dict.fromkeys(leaves) if node not in self.table.leaves]
        rows = evaluate_leaves(new, self.condition, self.architectures, self._store, self.executor, progress)
        self.table.learn_leaves({node: np.array([score.value for score in scores]) for node, scores in rows.items()})
        for node, scores in rows.items():
            failed = [place for place, score in enumerate(scores) if not score.ok]
            if failed:
                self.leaf_failures[node.name] = {self.architectures[place]: scores[place].detail for place in failed}
        return self.table.finite(leaves)

    def _learn_screened(self, new: Sequence[Node], progress: Progress) -> None:
        first = self._evaluate(new, self.architectures[:_SCREENED], progress)
        rows = [row for row in range(len(new)) if all(np.isfinite(vectors.values[row]).all() for vectors in first)]
        if not rows and self.table.units is None:
            rows = [0]  # for the numbers of units
        fit = [new[row] for row in rows]
        if fit:
            known = [Vectors(vectors.units, vectors.values[rows], vectors.failure) for vectors in first]
            self.table.learn(fit, [*known, *self._evaluate(fit, self.architectures[_SCREENED:], progress)])
        unfit = [node for node in new if node not in fit]
        if unfit:
            units = self.table.units or []
            self.table.learn(unfit, [Vectors(count, np.full((len(unfit), count), np.nan)) for count in units])

    def _evaluate(self, reductions: Sequence[Node], architectures: Sequence[str], progress: Progress) -> list[Vectors]:
        """Return the values of reductions on some networks, from the store or by running the networks."""
        texts = tuple(node.text for node in reductions)
        evaluated: dict[str, Vectors] = {}
        for architecture in architectures:
            if (values := self._stored(architecture, texts)) is not None:
                evaluated[architecture] = Vectors(values.shape[1], values)
                progress.advance()
        left = [architecture for architecture in architectures if architecture not in evaluated]
        executor = self.executor
        call = functools.partial(evaluate_networks, self.condition, texts, executor.memory, executor.captures)
        for batches in self._batches(left, executor.workers):
            for batch, results in executor.map(call, batches, singly=NetworkBatch.singly):
                for architecture, vectors in zip(batch, results, strict=True):
                    evaluated[architecture] = vectors
                    self._captured = max(self._captured, vectors.captured)
                    if self._store is not None and not vectors.failure:
                        self._store.save(self._key(architecture), texts, vectors.values)
                    progress.advance()
        failed = [architecture for architecture in left if evaluated[architecture].failure]
        self.failures |= {architecture: evaluated[architecture].failure for architecture in failed}
        return [evaluated[architecture] for architecture in architectures]

    def _batches(self, architectures: Sequence[str], processes: int) -> Iterator[list[NetworkBatch]]:
        """Cut networks into batches: single ones until the memory that a network takes is known."""
        left = list(architectures)
        while left and not self._captured:
            yield NetworkBatch(left[:processes]).singly()
            del left[:processes]
        turns = 1 if processes == 1 else _TURNS * processes
        size = max(1, min(TOGETHER // max(self._captured, 1), -(-len(left) // turns)))
        yield [NetworkBatch(left[start : start + size]) for start in range(0, len(left), size)]

    def _stored(self, architecture: str, texts: Sequence[str]) -> NDArray[np.float64] | None:
        return None if self._store is None else self._store.load(self._key(architecture), texts)

    def _key(self, architecture: str) -> str:
        return f"{self.condition.key}|{architecture}"
