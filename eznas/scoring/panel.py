"""Panels: networks under one condition, and what every known reduction gives for each of them.

A reduction's values on a network are one number a unit, about fifty floats; what lies under it is megabytes. So the
networks are visited once for each batch of new reductions, and programs made of known reductions never touch them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from eznas.programs import Layout, Node, Ragged, evaluate_upper, simplify_exact
from eznas.progress import SILENT, Progress
from eznas.scoring.evaluate_networks import TOGETHER, NetworkBatch, Vectors, evaluate_networks
from eznas.scoring.executor import SERIAL, Executor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from eznas.scoring.condition import Condition
    from eznas.scoring.vector_store import VectorStore

__all__ = ["Panel"]

_MEMO_NODES = 50_000

_TRIED = 2
"""Networks that screening looks at."""

_TURNS = 2
"""Times at least that each process is given networks, so that all end at about the same time."""


class Panel:
    """Networks under one condition with the vectors of the reductions known so far.

    Args:
        condition: How the networks are built and run.
        architectures: ``n`` architectures, in the order of every score vector.
        store: Where vectors are looked up before a network is visited, and kept afterwards.
        executor: Runs the networks.
    """

    def __init__(
        self,
        condition: Condition,
        architectures: Sequence[str],
        store: VectorStore | None = None,
        executor: Executor = SERIAL,
    ) -> None:
        self.condition = condition
        self.executor = executor
        self._store = store
        self.architectures = tuple(architectures)
        self._captured = 0  # bytes of a network's statistics at most
        self.failures: dict[str, str] = {}
        self._layout: Layout | None = None
        self._vectors: dict[Node, Ragged] = {}
        self._finite: dict[Node, NDArray[np.bool_]] = {}
        self._forms: dict[Node, Node] = {}  # a known reduction by what it can be simplified to
        self._memo: dict[Node, Tensor] = {}

    def extend(
        self,
        reductions: Sequence[Node],
        progress: Progress = SILENT,
        *,
        screen: bool = False,
    ) -> list[NDArray[np.bool_]]:
        """Evaluate new reductions on every network; of those that ``simplify_exact`` makes equal, one.

        Args:
            reductions: Reductions; those that are known already are not evaluated again.
            progress: Advances after each network.
            screen: Whether to try new reductions on the first two networks, and to evaluate on the others only those
                that are finite there; the rest is NaN everywhere.

        Returns:
            For each reduction, ``n`` flags: whether its values are finite on every unit of the network.
        """
        new = [node for node in dict.fromkeys(reductions) if node not in self._vectors]
        forms = {node: simplify_exact(node) for node in new}
        first = {forms[node]: node for node in reversed(new)} | self._forms
        equal = {node: first[forms[node]] for node in new}
        distinct = [node for node in new if equal[node] is node]
        if screen and len(self.architectures) > _TRIED:
            self._screen(distinct, progress)
        elif distinct:
            self.learn(distinct, self._vectors_of(distinct, self.architectures, progress))
        for node, same in equal.items():
            self._vectors[node], self._finite[node] = self._vectors[same], self._finite[same]
        self._forms |= {forms[node]: equal[node] for node in new}
        return [self._finite[node] for node in reductions]

    def _screen(self, new: Sequence[Node], progress: Progress) -> None:
        if not new:
            return
        tried = self._vectors_of(new, self.architectures[:_TRIED], progress)
        rows = [row for row in range(len(new)) if all(np.isfinite(vectors.values[row]).all() for vectors in tried)]
        if not rows and self._layout is None:
            rows = [0]  # for the numbers of units
        fit = [new[row] for row in rows]
        found = [Vectors(vectors.units, vectors.values[rows], vectors.failure) for vectors in tried]
        if fit:
            self.learn(fit, [*found, *self._vectors_of(fit, self.architectures[_TRIED:], progress)])
        unfit = [node for node in new if node not in fit]
        if unfit and self._layout is not None:
            self.learn(unfit, [Vectors(units, np.full((len(unfit), units), np.nan)) for units in self._layout.counts])

    def _vectors_of(self, nodes: Sequence[Node], architectures: Sequence[str], progress: Progress) -> list[Vectors]:
        """Return what reductions give on some networks, from the store or from a visit."""
        texts = [node.text for node in nodes]
        found: dict[str, Vectors] = {}
        for architecture in architectures:
            if (known := self._stored(architecture, texts)) is not None:
                found[architecture] = Vectors(known.shape[1], known)
                progress.advance()
        unknown = [architecture for architecture in architectures if architecture not in found]
        call = functools.partial(
            evaluate_networks, self.condition, tuple(texts), self.executor.memory, self.executor.captures
        )
        for batches in self._batches(unknown, self.executor.workers):
            for batch, visited in self.executor.map(call, batches, singly=NetworkBatch.singly):
                for architecture, vectors in zip(batch, visited, strict=True):
                    found[architecture] = vectors
                    self._captured = max(self._captured, vectors.captured)
                    if self._store is not None and not vectors.failure:
                        self._store.save(self._key(architecture), texts, vectors.values)
                    progress.advance()
        return [found[architecture] for architecture in architectures]

    def _batches(self, architectures: Sequence[str], processes: int) -> Iterator[list[NetworkBatch]]:
        """Cut networks into those that one call visits: single ones until it is known how much a network takes."""
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

    def learn(self, new: Sequence[Node], found: Sequence[Vectors]) -> None:
        """Take what new reductions gave on each network."""
        self.failures |= {
            architecture: vectors.failure
            for architecture, vectors in zip(self.architectures, found, strict=True)
            if vectors.failure
        }
        if self._layout is None:
            self._layout = Layout([vectors.units for vectors in found])
        # A network that fails in one batch and not in another keeps its first number of units and has no value.
        values = [
            vectors.values if vectors.units == units else np.full((len(new), units), np.nan)
            for vectors, units in zip(found, self._layout.counts, strict=True)
        ]
        for row, node in enumerate(new):
            self._vectors[node] = self._layout.ragged([torch.from_numpy(network[row]) for network in values])
            self._finite[node] = np.array(
                [network.shape[1] > 0 and np.isfinite(network[row]).all() for network in values]
            )

    def forget(self, reductions: Sequence[Node]) -> None:
        """Drop the vectors of reductions that are not needed any more."""
        for node in reductions:
            self._vectors.pop(node, None)
            self._finite.pop(node, None)
        self._forms = {form: node for form, node in self._forms.items() if node in self._vectors}
        self._memo.clear()

    def scores(self, programs: Sequence[Node]) -> NDArray[np.float64]:
        """Score programs made of known reductions on every network.

        Args:
            programs: ``p`` programs.

        Returns:
            ``p x n`` scores; not finite where a program is undefined.
        """
        if self._layout is None:
            raise ValueError("a panel must be extended by the programs' reductions before it can score them")
        if len(self._memo) > _MEMO_NODES:
            self._memo.clear()
        return evaluate_upper(programs, self._vectors, self._layout, self._memo).numpy()
