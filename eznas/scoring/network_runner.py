"""Runs of networks that evaluate reductions: from a store where they are known, in batches, until a deadline."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.scoring.evaluate_networks import TOGETHER, NetworkBatch, Vectors, evaluate_networks
from eznas.scoring.executor import is_over
from eznas.scoring.left_out import LOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.scoring.captures import Captures
    from eznas.scoring.condition import Condition
    from eznas.scoring.executor import Executor
    from eznas.scoring.vector_store import VectorStore


_TURNS = 2
"""Batches for each process at least, so that all processes end at about the same time."""


@dataclass(frozen=True)
class Limits:
    """How far an evaluation goes.

    Args:
        progress: Advances after each network.
        deadline: The value of ``time.time()`` from which on no network begins; None for no deadline.
        in_any_case: The networks that run after the deadline too.
    """

    progress: Progress
    deadline: float | None
    in_any_case: frozenset[str]


class NetworkRunner:
    """Evaluates reductions on networks under one condition.

    Args:
        condition: How the networks are built and run.
        store: Holds vectors of earlier runs and takes new ones; None for no store.
        executor: Runs the networks.
    """

    def __init__(self, condition: Condition, store: VectorStore | None, executor: Executor) -> None:
        self._condition, self._store, self._executor = condition, store, executor
        self._captured = 0  # bytes of a network's statistics at most

    def evaluate(self, reductions: Sequence[Node], architectures: Sequence[str], limits: Limits) -> dict[str, Vectors]:
        """Return the values of reductions on the networks that began in time, in any order."""
        texts = tuple(node.text for node in reductions)
        evaluated: dict[str, Vectors] = {}
        for architecture in architectures:
            if (values := self._stored(architecture, texts)) is not None:
                evaluated[architecture] = Vectors(values.shape[1], values)
                limits.progress.advance()
        left = [architecture for architecture in architectures if architecture not in evaluated]
        in_any_case = [architecture for architecture in left if architecture in limits.in_any_case]
        others = [architecture for architecture in left if architecture not in limits.in_any_case]
        for part, deadline in ((in_any_case, None), (others, limits.deadline)):
            for architecture, vectors in self._run(texts, part, deadline, self._executor.captures):
                evaluated[architecture] = vectors
                self._captured = max(self._captured, vectors.captured)
                if self._store is not None and not vectors.failure:
                    self._store.save(self._key(architecture), texts, vectors.values)
                limits.progress.advance()
        return evaluated

    def evaluate_again(
        self, reductions: Sequence[Node], architectures: Sequence[str], deadline: float
    ) -> dict[str, Vectors]:
        """Return the values of reductions on the networks that began in time; no network is known from before."""
        return dict(self._run(tuple(node.text for node in reductions), architectures, deadline, None))

    def _run(
        self, texts: tuple[str, ...], architectures: Sequence[str], deadline: float | None, captures: Captures | None
    ) -> Iterator[tuple[str, Vectors]]:
        """Run networks, and yield the values of reductions on those that began before the deadline."""
        executor = self._executor
        call = functools.partial(
            evaluate_networks, self._condition, texts, executor.memory, captures, deadline=deadline
        )

        def lost(_: NetworkBatch, sentence: str) -> list[Vectors]:
            return [Vectors(0, np.empty((len(texts), 0)), f"{LOST}: {sentence}")]

        for batches in self._batches(architectures, executor.workers):
            if is_over(deadline):
                return
            results = executor.map(call, batches, singly=NetworkBatch.singly, lost=lost, deadline=deadline)
            for batch, begun in results:
                yield from zip(batch, begun, strict=False)

    def _batches(self, architectures: Sequence[str], processes: int) -> Iterator[list[NetworkBatch]]:
        """Cut networks into batches: single ones until the memory that a network takes is known."""
        left = list(architectures)
        while left and not self._captured:
            yield NetworkBatch(left[:processes]).singly()
            del left[:processes]
        turns = 1 if processes == 1 else _TURNS * processes
        size = max(1, min(TOGETHER // max(self._captured, 1), -(-len(left) // turns)))
        # Networks are dealt to the batches that run at the same time: those done at any time are nearly the first ones.
        turn = size * processes
        yield [
            NetworkBatch(left[start + first : start + turn : processes])
            for start in range(0, len(left), turn)
            for first in range(min(processes, len(left) - start))
        ]

    def _stored(self, architecture: str, texts: Sequence[str]) -> NDArray[np.float64] | None:
        return None if self._store is None else self._store.load(self._key(architecture), texts)

    def _key(self, architecture: str) -> str:
        return f"{self._condition.key}|{architecture}"
