"""Build networks, capture their statistics, and evaluate reductions on them."""

from __future__ import annotations

import dataclasses
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.capture import capture
from eznas.errors import NETWORK_FAILURES
from eznas.primitives import Kind
from eznas.programs import BoundedReductions, evaluate_captures, fits, parse, statistics
from eznas.scoring.executor import is_over
from eznas.scoring.left_out import FAILED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.capture import Capture
    from eznas.programs import Node
    from eznas.scoring.captures import Captures
    from eznas.scoring.condition import Condition


TOGETHER = 128 * 2**20
"""Bytes of statistics, of several networks, that are evaluated together."""

_SHARE = 8
"""Share of a bounded memory for the captures that wait to be evaluated together, as a divisor."""


_HELD_SECONDS = 0.5
"""Seconds for which captures wait to be evaluated together where there is a deadline, which they overrun otherwise."""


class NetworkBatch(tuple[str, ...]):
    """Architectures of one call."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self)

    def singly(self) -> list[NetworkBatch]:
        """Return each in a batch of its own."""
        return [NetworkBatch([architecture]) for architecture in self]


@dataclass(frozen=True)
class Vectors:
    """The values of reductions on one network.

    Args:
        units: Number of units; 0 where the network failed.
        values: ``r x u`` float64, NaN where undefined.
        failure: Why the network has no values, in words that continue "because"; empty where it has.
        captured: Bytes of the statistics that were read; 0 where the network did not run.
        seconds: Time to build the network and to capture its statistics; 0 where it did not run.
    """

    units: int
    values: NDArray[np.float64]
    failure: str = ""
    captured: int = 0
    seconds: float = 0.0


def evaluate_networks(
    condition: Condition,
    texts: Sequence[str],
    memory: int | None,
    kept: Captures | None,
    architectures: Sequence[str],
    *,
    deadline: float | None = None,
) -> list[Vectors]:
    """Build networks and evaluate reductions on them; small networks are evaluated together, with the same values.

    Args:
        condition: How the networks are built and run.
        texts: ``r`` reductions as text.
        memory: Bytes that capturing and evaluating may take; None for no bound.
        kept: Statistics of networks that ran before; None for no cache.
        architectures: The networks.
        deadline: The value of ``time.time()`` from which on no network but the first begins; None for no deadline.

    Returns:
        The values on each network that began.
    """
    nodes = [_reduction(text) for text in texts]
    names = statistics(nodes)
    together = TOGETHER if memory is None else memory // _SHARE
    single = None if memory is None else memory - together
    results: dict[str, Vectors] = {}
    waiting: dict[str, Capture] = {}
    begun: dict[str, float] = {}  # seconds
    evaluated_at = time.monotonic()
    for architecture in architectures:
        if begun and is_over(deadline):
            break
        begun_at = time.perf_counter()
        try:
            visited = _visited(condition, nodes, names, single, kept, architecture)
            if isinstance(visited, Vectors):
                results[architecture] = visited
            else:
                waiting[architecture] = visited
            del visited  # freed with its statistics
        except NETWORK_FAILURES as error:
            results[architecture] = _failed(nodes, error)
        begun[architecture] = time.perf_counter() - begun_at
        late = deadline is not None and time.monotonic() - evaluated_at > _HELD_SECONDS
        if late or sum(captured.nbytes for captured in waiting.values()) >= together:
            results |= _evaluated(nodes, waiting, memory)
            waiting.clear()
            evaluated_at = time.monotonic()
    results |= _evaluated(nodes, waiting, memory)
    return [dataclasses.replace(results[architecture], seconds=seconds) for architecture, seconds in begun.items()]


def _evaluated(nodes: Sequence[Node], waiting: Mapping[str, Capture], memory: int | None) -> dict[str, Vectors]:
    """Evaluate reductions on captures together, or one by one where that fails, so that one network fails alone."""
    if not waiting:
        return {}
    captures = list(waiting.values())
    left = None if memory is None else max(memory - sum(captured.nbytes for captured in captures), 0)
    try:
        values = evaluate_captures(nodes, captures, memory=left)
    except NETWORK_FAILURES as error:
        if len(waiting) == 1:
            return {architecture: _failed(nodes, error) for architecture in waiting}
        values = []
    if not values:  # out of the handler, which holds on to what the failed call had made
        alone = [_evaluated(nodes, {architecture: captured}, memory) for architecture, captured in waiting.items()]
        return {architecture: vectors for single in alone for architecture, vectors in single.items()}
    return {
        architecture: Vectors(len(captured.units), rows.numpy(), captured=captured.nbytes)
        for (architecture, captured), rows in zip(waiting.items(), values, strict=True)
    }


def _failed(nodes: Sequence[Node], error: BaseException) -> Vectors:
    return Vectors(0, np.empty((len(nodes), 0)), f"{FAILED}: {type(error).__name__}: {error}")


@functools.lru_cache(maxsize=2**14)
def _reduction(text: str) -> Node:
    return parse(text, Kind.UNIT)


def _visited(
    condition: Condition,
    nodes: Sequence[Node],
    names: frozenset[str],
    memory: int | None,
    kept: Captures | None,
    architecture: str,
) -> Capture | Vectors:
    """Return the statistics that the reductions read, or the values of the reductions where these do not fit."""
    key = f"{condition.key}|{architecture}"
    if kept is not None and (known := kept.find(key, names)) is not None:
        return known
    network = condition.network(architecture)
    if memory is not None and not fits(nodes, network, condition.minibatch, "auto", memory):
        bounded = BoundedReductions(nodes, network, condition.minibatch, "auto", memory)
        units, values = bounded.evaluate()
        return Vectors(len(units), torch.stack([values[node] for node in nodes]).numpy(), captured=bounded.nbytes)
    if kept is None:
        return capture(network, condition.minibatch, names, "auto")
    return kept.complete(key, sorted(names), functools.partial(capture, network, condition.minibatch))
