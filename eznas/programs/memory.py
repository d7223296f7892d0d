"""Splits reductions into parts whose statistics fit into memory together."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from eznas.capture import capture, with_tensor_input
from eznas.primitives import STATISTICS, Kind
from eznas.programs.tensor_floor import statistics

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import nn

    from eznas.capture import Capture
    from eznas.minibatch import Minibatch
    from eznas.programs.tree import Node


_CAPTURED = 0.9
"""Share of the memory for capturing; the rest is for evaluating."""

_FEW = 2
_GRAPH = 6
"""Tensors of each unit that the graph of a forward pass holds, about."""


def split_by_memory(
    nodes: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str, memory: int | None
) -> list[list[Node]]:
    """Split reductions into parts whose statistics can be captured within a memory bound.

    Each part costs passes of its own, so parts are as large as the bound allows. The statistics of a single reduction
    are never split.

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
        return [list(nodes)]
    sizes = kind_bytes(network, minibatch, units)
    parts: list[list[Node]] = []
    read: frozenset[str] = frozenset()
    for node in sorted(nodes, key=lambda node: sorted(statistics([node]))):
        names = read | statistics([node])
        if not parts or capture_bytes(names, sizes) > _CAPTURED * memory:
            parts.append([])
            names = statistics([node])
        parts[-1].append(node)
        read = names
    return parts


def kind_bytes(network: nn.Module, minibatch: Minibatch, units: str = "auto") -> dict[Kind, int]:
    """Return the bytes of one statistic of each kind over all units, measured with a pass of two images."""
    network, minibatch = with_tensor_input(network, minibatch)
    few = minibatch.take(min(_FEW, len(minibatch)))
    outline, images, item = capture(network, few, ["weight"], units), len(minibatch), minibatch.images.element_size()
    shapes = [(unit.weight_shape, unit.input_shape, unit.output_shape) for unit in outline.units]
    return {
        Kind.WEIGHT: sum(math.prod(shape) for shape, _, _ in shapes) * item,
        Kind.INPUT: sum(math.prod(shape[1:]) for _, shape, _ in shapes) * images * item,
        Kind.OUTPUT: sum(math.prod(shape[1:]) for _, _, shape in shapes) * images * item,
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
    subtracted = {fact.minus: sizes[fact.kind] for fact in map(STATISTICS.__getitem__, names) if fact.minus}
    held: Counter[str] = Counter()
    graph: Counter[str] = Counter()
    for fact in map(STATISTICS.__getitem__, {*names, *subtracted}):
        held[fact.scenario if fact.kind in (Kind.INPUT, Kind.OUTPUT) else ""] += sizes[fact.kind]
        if fact.is_gradient:
            graph[fact.scenario] = _GRAPH * sizes[Kind.OUTPUT] + sizes[Kind.WEIGHT]
    return held.total() + max(subtracted.values(), default=0) + max((graph - held).values(), default=0)
