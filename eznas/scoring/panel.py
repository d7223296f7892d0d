"""Panels: networks under one condition, and what every known reduction gives for each of them.

A reduction's values on a network are one number a unit, about fifty floats; what lies under it is megabytes. So the
networks are visited once for each batch of new reductions, and programs made of known reductions never touch them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from eznas.capture import capture
from eznas.errors import NETWORK_FAILURES
from eznas.programs import Layout, Node, Ragged, evaluate_reductions, evaluate_upper, parse, statistics
from eznas.scoring.parallel import over_networks
from primitives import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.scoring.condition import Condition
    from eznas.store import VectorStore

__all__ = ["Panel", "Vectors", "reduction_vectors"]

_MEMO_NODES = 50_000


@dataclass(frozen=True)
class Vectors:
    """What reductions gave on one network.

    Args:
        units: Number of units; 0 where the network failed.
        values: ``r x u`` float64, NaN where undefined.
        failure: Why the network could not be captured; empty where it could.
    """

    units: int
    values: NDArray[np.float64]
    failure: str = ""


def reduction_vectors(condition: Condition, texts: Sequence[str], architecture: str) -> Vectors:
    """Build one network and evaluate reductions on it in one pass.

    Args:
        condition: How the network is built and run.
        texts: ``r`` reductions as text.
        architecture: Which network.
    """
    nodes = [parse(text, Kind.UNIT) for text in texts]
    try:
        captured = capture(condition.network(architecture), condition.minibatch, statistics(nodes))
        found = evaluate_reductions(nodes, captured)
    except NETWORK_FAILURES as error:
        return Vectors(0, np.empty((len(nodes), 0)), f"{type(error).__name__}: {error}")
    return Vectors(len(captured.units), torch.stack([found[node] for node in nodes]).cpu().numpy())


class Panel:
    """Networks under one condition with the vectors of the reductions known so far.

    Args:
        condition: How the networks are built and run.
        architectures: ``n`` architectures, in the order of every score vector.
        store: Where vectors are looked up before a network is visited, and kept afterwards.
    """

    def __init__(self, condition: Condition, architectures: Sequence[str], store: VectorStore | None = None) -> None:
        self.condition = condition
        self._store = store
        self.architectures = tuple(architectures)
        self.failures: dict[str, str] = {}
        self._layout: Layout | None = None
        self._vectors: dict[Node, Ragged] = {}
        self._finite: dict[Node, NDArray[np.bool_]] = {}
        self._memo: dict[Node, Tensor] = {}

    def extend(
        self, reductions: Sequence[Node], workers: int = 1, advance: Callable[[], None] = lambda: None
    ) -> list[NDArray[np.bool_]]:
        """Evaluate new reductions on every network.

        Args:
            reductions: Reductions; those that are known already are not evaluated again.
            workers: See ``over_networks``.
            advance: Called after each network.

        Returns:
            For each reduction, ``n`` flags: whether its values are finite on every unit of the network.
        """
        new = [node for node in dict.fromkeys(reductions) if node not in self._vectors]
        if new:
            self._add(new, self._vectors_of([node.text for node in new], workers, advance))
        return [self._finite[node] for node in reductions]

    def _vectors_of(self, texts: Sequence[str], workers: int, advance: Callable[[], None]) -> list[Vectors]:
        """Return what reductions give on each network, from the store or from a visit."""
        found: dict[str, Vectors] = {}
        for architecture in self.architectures:
            if (known := self._stored(architecture, texts)) is not None:
                found[architecture] = Vectors(known.shape[1], known)
                advance()
        unknown = [architecture for architecture in self.architectures if architecture not in found]
        visit = functools.partial(reduction_vectors, self.condition, tuple(texts))
        for architecture, vectors in over_networks(visit, unknown, workers):
            found[architecture] = vectors
            if self._store is not None and not vectors.failure:
                self._store.save(self._key(architecture), texts, vectors.values)
            advance()
        return [found[architecture] for architecture in self.architectures]

    def _stored(self, architecture: str, texts: Sequence[str]) -> NDArray[np.float64] | None:
        return None if self._store is None else self._store.load(self._key(architecture), texts)

    def _key(self, architecture: str) -> str:
        return f"{self.condition.key}|{architecture}"

    def _add(self, new: Sequence[Node], found: Sequence[Vectors]) -> None:
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
