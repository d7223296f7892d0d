"""Splits reductions, and the units that they are evaluated on, into parts whose statistics fit into memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.capture import capture, capture_part, outline_network, translated_errors, with_tensor_input
from eznas.errors import MemoryLimitError
from eznas.primitives import STATISTICS, Kind
from eznas.programs.tensor_floor import statistics

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from torch import nn

    from eznas.capture import Capture, Outline, Unit
    from eznas.minibatch import Minibatch
    from eznas.primitives import Statistic
    from eznas.programs.tree import Node


_CAPTURED = 0.9
"""Share of the memory for capturing; the rest is for evaluating."""

GRAPH = 6
"""Tensors of each unit that the graph of a forward pass holds, at most."""

_WORKING = 4
"""Copies of a statistic of one unit that evaluating a reduction makes."""


@dataclass(frozen=True)
class Part:
    """Reductions whose statistics are captured together.

    Args:
        nodes: The reductions.
        fits: Whether the statistics of all units are expected to fit into the memory at once.
    """

    nodes: tuple[Node, ...]
    fits: bool = True


def split_by_memory(
    nodes: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str, memory: int | None
) -> list[Part]:
    """Split reductions into parts whose statistics can be captured within a memory bound.

    Each part costs passes of its own, so parts are as large as the bound allows. ``captures_of`` splits the units of a
    single reduction that does not fit.

    Args:
        nodes: Reductions, see ``reductions``.
        network: Runs on two images to find the shapes of its units.
        minibatch: Images and labels.
        units: See ``capture``.
        memory: Bytes for capturing and evaluating; None for no bound.

    Raises:
        NoUnitsError: The network has no units. Errors of ``capture`` are raised as well.
    """
    if memory is None:
        return [Part(tuple(nodes))]
    sizes = kind_bytes(network, minibatch, units)
    limit = _CAPTURED * memory
    parts: list[list[Node]] = []
    read: frozenset[str] = frozenset()
    for node in sorted(nodes, key=lambda node: sorted(statistics([node]))):
        names = read | statistics([node])
        if not parts or capture_bytes(names, sizes) > limit:
            parts.append([])
            names = statistics([node])
        parts[-1].append(node)
        read = names
    return [Part(tuple(part), capture_bytes(statistics(part), sizes) <= limit) for part in parts]


def captures_of(
    part: Part, network: nn.Module, minibatch: Minibatch, units: str, memory: int | None
) -> Iterator[Capture]:
    """Yield captures of the statistics that a part reads: of all units, or of some units after others, in order.

    Where the graph of a pass does not fit, the tensors that it saves are computed again by further forward passes. No
    bound changes a value.

    Args:
        part: A part of ``split_by_memory``.
        network: See ``capture``.
        minibatch: See ``capture``.
        units: See ``capture``.
        memory: Bytes for capturing and evaluating; None for no bound.

    Raises:
        MemoryLimitError: The statistics of a single unit do not fit.
    """
    names = statistics(part.nodes)
    if memory is None or part.fits:
        yield capture(network, minibatch, names, units)
        return
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
    graph = any(STATISTICS[name].is_gradient for name in names)
    shape = outline_network(network, minibatch, units, graph=graph)
    places, bound = split_units(names, shape, minibatch, memory)
    if len(places) == 1 and bound is None:
        yield capture(network, minibatch, names, units)
        return
    for some in places:
        yield capture_part(network, minibatch, names, units, shape, some, bound)


def split_units(
    names: Collection[str], shape: Outline, minibatch: Minibatch, memory: int
) -> tuple[list[list[int]], int | None]:
    """Split the units of a network into runs whose statistics can be captured within a memory bound.

    A pass holds the statistics, the tensors that live during a forward pass (twice as much in a backward pass), and
    its graph. Half of the memory is for the graph where the whole graph takes more.

    Args:
        names: The statistics.
        shape: The outline of the network, with its graph where a statistic is a gradient.
        minibatch: Images and labels.
        memory: Bytes for capturing and evaluating.

    Returns:
        The places of the units of each run, and the bytes that a graph may keep, None for all that it saves.

    Raises:
        MemoryLimitError: The statistics of a single unit do not fit.
    """
    limit = int(_CAPTURED * memory)
    facts = _facts(names)
    held = [_held(facts, unit_bytes([unit], minibatch)) for unit in shape.units]
    images = unit_bytes([], minibatch)[Kind.IMAGE] * sum(fact.kind is Kind.IMAGE for fact in facts)
    gradients = any(fact.is_gradient for fact in facts)
    passes = (2 if gradients else 1) * shape.live
    working = _WORKING * max(max(unit_bytes([unit], minibatch).values()) for unit in shape.units)
    least = 2 * shape.saved if gradients else 0
    needed = images + max(held) + max(passes + least, working)
    if needed > limit:
        raise MemoryLimitError(
            f"memory must be at least {_size(needed / _CAPTURED)} for one process to capture "
            f"{', '.join(sorted(names))} of this network on {len(minibatch)} images, got {_size(memory)}; give more "
            "memory, fewer workers or fewer images"
        )
    room = limit - images - passes
    bound = None
    if gradients:
        if shape.graph > room // 2:
            bound = max(least, min(room // 2, room - max(held)))
        room -= shape.graph if bound is None else bound
    room = min(room, limit - images - working)
    runs: list[list[int]] = []
    taken = 0
    for place, size in enumerate(held):
        if not runs or taken + size > room:
            runs.append([])
            taken = 0
        runs[-1].append(place)
        taken += size
    return runs, bound


def kind_bytes(network: nn.Module, minibatch: Minibatch, units: str = "auto") -> dict[Kind, int]:
    """Return the bytes of one statistic of each kind over all units, measured with a pass of two images."""
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
    return unit_bytes(outline_network(network, minibatch, units).units, minibatch)


def unit_bytes(units: Sequence[Unit], minibatch: Minibatch) -> dict[Kind, int]:
    """Return the bytes of one statistic of each kind over some units; images count once, whatever the units."""
    item = minibatch.images.element_size()
    shapes = [(unit.weight_shape, unit.input_shape, unit.output_shape) for unit in units]
    return {
        Kind.WEIGHT: sum(math.prod(shape) for shape, _, _ in shapes) * item,
        Kind.INPUT: sum(math.prod(shape) for _, shape, _ in shapes) * item,
        Kind.OUTPUT: sum(math.prod(shape) for _, _, shape in shapes) * item,
        Kind.IMAGE: minibatch.images.numel() * item,
    }


def memory_left(memory: int | None, captured: Capture) -> int | None:
    """Return the bytes that a capture leaves for evaluating."""
    return None if memory is None else max(memory - captured.nbytes, 0)


def capture_bytes(names: Collection[str], sizes: Mapping[Kind, int]) -> int:
    """Estimate the peak of bytes while statistics are captured, the graph of one pass included.

    A perturbed statistic needs the statistic that is subtracted, and both at once for a moment. Values of a scenario
    are part of its graph, and gradients of values take the memory that the graph frees. Gradients of weights and the
    working memory of a convolution come on top.

    Args:
        names: The statistics.
        sizes: See ``kind_bytes``.
    """
    held: Counter[str] = Counter()
    graph: Counter[str] = Counter()
    facts = _facts(names)
    for fact in facts:
        held[fact.scenario if fact.kind in (Kind.INPUT, Kind.OUTPUT) else ""] += sizes[fact.kind]
        if fact.is_gradient:
            graph[fact.scenario] = GRAPH * sizes[Kind.OUTPUT] + sizes[Kind.WEIGHT]
    return held.total() + _subtracted(facts, sizes) + max((graph - held).values(), default=0)


def _facts(names: Collection[str]) -> list[Statistic]:
    """Return the records of statistics, and of those that are subtracted from them."""
    subtracted = {STATISTICS[name].minus for name in names} - {""}
    return [STATISTICS[name] for name in sorted({*names, *subtracted})]


def _subtracted(facts: Sequence[Statistic], sizes: Mapping[Kind, int]) -> int:
    """Return the bytes of the largest statistic that is held twice while it is subtracted from another."""
    return max((sizes[fact.kind] for fact in facts if fact.minus), default=0)


def _held(facts: Sequence[Statistic], sizes: Mapping[Kind, int]) -> int:
    """Return the bytes of statistics of some units."""
    return sum(sizes[fact.kind] for fact in facts if fact.kind is not Kind.IMAGE) + _subtracted(facts, sizes)


def _size(size: float) -> str:
    """Write bytes, rounded up."""
    return f"{math.ceil(size / 2**20)}M" if size < 2**30 else f"{math.ceil(size * 10 / 2**30) / 10:.1f}G"
