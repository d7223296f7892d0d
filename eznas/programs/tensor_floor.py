"""The tensor floor: every distinct subexpression of a whole population once, on the units of networks.

The value of a reduction on a unit depends on that unit alone, to the bit: not on the programs, units or networks that
are evaluated together with it, nor on the memory bound. Primitives must have this property; torch's functions have it
on one thread, except for the few that ``eznas.primitives.special_values`` replaces.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.capture import Capture, ShapeGroup, merged
from eznas.errors import InputError
from eznas.primitives import Floor, Kind
from eznas.programs.plan import Failure, Plan, Trace, Value
from eznas.programs.tree import Node, postorder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet


CHUNK = 512 * 2**10
"""Bytes of the largest tensor of a stack of units, unless a single unit takes more.

A stack fits into a processor's cache: on 4 MiB a chain of functions takes twice as long per entry, on 32 MiB six times.
"""

_ACCELERATED = 128
"""Factor on other devices, which need many threads' work in every call."""


def reductions(roots: Iterable[Node]) -> list[Node]:
    """Return the distinct nodes that turn tensors into one number for each unit, in a fixed order."""
    return [
        node
        for node in postorder(roots)
        if node.kind is Kind.UNIT and any(arg.kind.floor is Floor.TENSOR for arg in node.args)
    ]


def statistics(roots: Iterable[Node]) -> frozenset[str]:
    """Return the names of the statistics that programs read."""
    return frozenset(node.name for node in postorder(roots) if not node.args and node.kind.floor is Floor.TENSOR)


def evaluate_reductions(
    nodes: Sequence[Node],
    capture: Capture,
    trace: Trace | None = None,
    *,
    memory: int | None = None,
    chunk: int = CHUNK,
) -> dict[Node, Tensor]:
    """Evaluate reductions on every unit of one network: ``evaluate_captures`` for a single capture.

    Returns:
        For each node ``u`` float64 numbers on the CPU, in execution order.
    """
    (values,) = evaluate_captures(nodes, [capture], trace, memory=memory, chunk=chunk)
    return dict(zip(nodes, values, strict=True))


def evaluate_captures(
    nodes: Sequence[Node],
    captures: Sequence[Capture],
    trace: Trace | None = None,
    *,
    memory: int | None = None,
    chunk: int = CHUNK,
) -> list[Tensor]:
    """Evaluate reductions on every unit of several networks.

    Each distinct node is evaluated once for each chunk of units of one shape, whichever networks they belong to; nodes
    that read images alone, once for each network. A tensor is freed after its last use. A unit on which a primitive
    raises ``torch.linalg.LinAlgError`` gets NaN; any other error is raised.

    Args:
        nodes: ``r`` reductions, see ``reductions``.
        captures: The statistics that they read, on one device.
        trace: Takes counts and failures.
        memory: Bytes for values, beside the captures; None for no bound. Reductions that would hold more are evaluated
            in several parts, and nodes that parts share are evaluated once in each. One reduction on one chunk is not
            split further. The bound does not change a value.
        chunk: Bytes of a chunk's largest statistic; a chunk has at least one unit.

    Returns:
        For each capture ``r x u`` float64 numbers on the CPU, its units in execution order.

    Raises:
        InputError: A capture lacks a statistic.
    """
    trace = Trace() if trace is None else trace
    ends = list(itertools.accumulate([len(captured.units) for captured in captures], initial=0))
    values = _Values(nodes, ends[-1])
    of_images = images_only(order := postorder(nodes))
    read = {arg for node in order if node not in of_images for arg in node.args}
    keep = {node for node in of_images if node in read or node in values.rows}
    own = [node for node in nodes if node not in of_images]
    names = statistics(nodes)
    shared: list[Mapping[Node, Value]] = []
    with torch.inference_mode():
        of_network = Plan([node for node in order if node in of_images], keep)
        for captured in captures:
            if not captured.units:
                continue
            _check_captured(names, captured)
            of_images_alone = of_network.run({}, captured.images.__getitem__, trace)
            units = range(len(shared), len(shared) + len(captured.units))
            values.write(units, {node: of_images_alone[node] for node in keep & values.rows.keys()}, trace)
            shared += [of_images_alone] * len(units)
        whole = merged([captured for captured in captures if captured.units])
        together = _plan(own, of_images)
        for group in whole.groups if own else ():
            step = units_at_once(whole, group, chunk)
            plans = [together]
            if memory is not None:
                plans = _halved(together, own, of_images, _sizes(whole, group, step), memory)
            for plan, start in itertools.product(plans, range(0, len(group.units), step)):
                places = range(start, min(start + step, len(group.units)))
                _evaluate_chunk(plan, shared, group, places, values, trace)
    return [values.numbers[:, start:end] for start, end in itertools.pairwise(ends)]


class _Values:
    """The numbers of reductions.

    Args:
        nodes: ``r`` reductions.
        units: ``u``.

    Attributes:
        rows: The row of each reduction.
        numbers: ``r x u``, NaN where nothing was written.
    """

    def __init__(self, nodes: Sequence[Node], units: int) -> None:
        self.rows = {node: row for row, node in enumerate(nodes)}
        self.numbers = torch.full((len(nodes), units), math.nan, dtype=torch.float64)

    def write(self, units: Sequence[int], results: Mapping[Node, Value], trace: Trace) -> None:
        """Store the values of reductions on some units, and the failures in the trace."""
        computed = {node: value.expand(len(units)) for node, value in results.items() if isinstance(value, Tensor)}
        for node, value in results.items():
            if isinstance(value, Failure):
                trace.failures.setdefault(node, value.detail)
        if computed:
            rows = torch.tensor([self.rows[node] for node in computed])
            block = torch.stack(list(computed.values())).to("cpu", torch.float64)
            self.numbers[rows[:, None], torch.tensor(list(units))] = block


def _plan(nodes: Sequence[Node], of_images: AbstractSet[Node]) -> Plan:
    return Plan([node for node in postorder(nodes) if node not in of_images], set(nodes))


def _halved(
    plan: Plan, nodes: Sequence[Node], of_images: AbstractSet[Node], sizes: Mapping[Kind, int], memory: int
) -> list[Plan]:
    """Return the plan of these reductions, or plans of ever smaller halves until each fits into the memory."""
    if len(nodes) == 1 or plan.bytes(sizes) <= memory:
        return [plan]
    middle = len(nodes) // 2
    halves = nodes[:middle], nodes[middle:]
    return [part for half in halves for part in _halved(_plan(half, of_images), half, of_images, sizes, memory)]


def _evaluate_chunk(
    plan: Plan, shared: Sequence[Mapping[Node, Value]], group: ShapeGroup, chunk: range, values: _Values, trace: Trace
) -> None:
    """Write the values of reductions on some units of a group.

    Args:
        plan: The reductions.
        shared: For each unit, the values that are the same for all units of its network.
        group: The group.
        chunk: Positions in the group.
        values: Takes the values.
        trace: Takes counts and failures.
    """
    units = [group.units[place] for place in chunk]
    given = _given([shared[unit] for unit in units])
    results = plan.run(given, lambda name: group.stacked(name, chunk.start, chunk.stop), trace, len(chunk))
    raised = [node for node in results if isinstance(results[node], Failure) and len(chunk) > 1]
    values.write(units, {node: value for node, value in results.items() if node not in raised}, trace)
    if raised:  # find the units that raise; the others keep their values
        alone = Plan([node for node in postorder(raised) if node not in given], set(raised))
        for place in chunk:
            _evaluate_chunk(alone, shared, group, range(place, place + 1), values, trace)


def _given(shared: Sequence[Mapping[Node, Value]]) -> Mapping[Node, Value]:
    """Return the values of the units' networks: shared by all units of one network, stacked for several."""
    first = shared[0]
    if all(values is first for values in shared):
        return first
    return {node: _stacked([values[node] for values in shared]) for node in first}


def _stacked(values: Sequence[Value]) -> Value:
    failed = [value for value in values if isinstance(value, Failure)]
    tensors = [value for value in values if isinstance(value, Tensor)]
    return failed[0] if failed else torch.cat(tensors) if tensors else values[0]


def _check_captured(names: frozenset[str], capture: Capture) -> None:
    missing = sorted(names - capture.names)
    if missing:
        raise InputError(f"the capture must hold every statistic that the programs read; it lacks {', '.join(missing)}")


def images_only(order: Iterable[Node]) -> set[Node]:
    """Return the nodes that are the same for every unit, literals included."""
    nodes: set[Node] = set()
    for node in order:
        if all(arg in nodes for arg in node.args) if node.args else node.kind in (Kind.IMAGE, Kind.LITERAL):
            nodes.add(node)
    return nodes


def units_at_once(capture: Capture, group: ShapeGroup, chunk: int = CHUNK) -> int:
    """Return how many units of a group are stacked; it depends on their shapes, not on the programs."""
    unit = capture.units[group.units[0]]
    largest = max(math.prod(shape) for shape in (unit.weight_shape, unit.input_shape, unit.output_shape))
    tensors = next(iter(group.tensors.values()), [])
    if not tensors:
        return 1
    if tensors[0].device.type != "cpu":
        chunk *= _ACCELERATED
    return max(1, chunk // (largest * tensors[0].element_size()))


def _sizes(capture: Capture, group: ShapeGroup, step: int) -> dict[Kind, int]:
    """Return the most bytes that a value of each kind takes on a chunk."""
    unit = capture.units[group.units[0]]
    units = min(step, len(group.units))
    tensors = next(iter(group.tensors.values()), [])
    item = tensors[0].element_size() if tensors else 1
    images = sum(image[0].numel() for image in list(capture.images.values())[:1])
    shapes = {Kind.WEIGHT: unit.weight_shape, Kind.INPUT: unit.input_shape, Kind.OUTPUT: unit.output_shape}
    numbers = {kind: math.prod(shape) for kind, shape in shapes.items()}
    numbers |= {Kind.IMAGE: images, Kind.SAMPLES: unit.input_shape[0] ** 2, Kind.UNIT: 1, Kind.LITERAL: 0}
    return {kind: units * number * item for kind, number in numbers.items()}
