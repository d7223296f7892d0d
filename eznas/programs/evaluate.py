"""The tensor floor: every distinct subexpression of a whole population once, on the units of one network.

What a reduction gives does not depend on the programs that are evaluated along with it: units are stacked by shape
alone and cut into chunks by the size of their own tensors. A stack and a single unit may differ by rounding, where a
kernel of torch (a matrix product, an eigenvalue solver) chooses another order of summation for another stack.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import primitives
from eznas.capture import Capture, NoUnitsError, ShapeGroup, capture
from eznas.errors import NETWORK_FAILURES, InputError
from eznas.programs.tree import Node, postorder
from eznas.programs.upper import Layout, evaluate_upper
from eznas.scores import Score, Status
from primitives import Floor, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["Trace", "evaluate", "evaluate_reductions", "reductions", "statistics"]

MEMORY = 256 * 2**20
"""How many units are stacked: so many that eight copies of their largest tensor take this many bytes, or one."""

_ALIVE = 8


@dataclass
class Trace:
    """What evaluations did; pass one to several calls to add them up.

    Args:
        evaluations: Primitives evaluated, times units: the cost that does not depend on the machine.
        calls: Calls of primitives, each on a chunk of stacked units.
        failures: What a primitive raised, for each reduction above it.
    """

    evaluations: int = 0
    calls: int = 0
    failures: dict[Node, str] = field(default_factory=dict)


def reductions(roots: Iterable[Node]) -> list[Node]:
    """Return the distinct nodes that turn tensors into one number a unit, in a fixed order."""
    return [
        node
        for node in postorder(roots)
        if node.kind is Kind.UNIT and any(arg.kind.floor is Floor.TENSOR for arg in node.args)
    ]


def statistics(roots: Iterable[Node]) -> frozenset[str]:
    """Return the names of the statistics that programs read."""
    return frozenset(node.name for node in postorder(roots) if not node.args and node.kind is not Kind.LITERAL)


def evaluate_reductions(
    nodes: Sequence[Node], capture: Capture, memory: int = MEMORY, trace: Trace | None = None
) -> dict[Node, Tensor]:
    """Evaluate reductions on every unit of a network.

    Each distinct node is evaluated once for each chunk of units of one shape; what reads images alone, once a
    network. A tensor is freed after its last use. A unit on which a primitive raises
    ``torch.linalg.LinAlgError`` gets NaN; any other error is raised.

    Args:
        nodes: As ``reductions`` returns them.
        capture: Holds the statistics that they read.
        memory: Bytes that eight copies of a chunk's largest statistic may take; a chunk has at least one unit. What
            is held at once beyond that, shared subexpressions above all, grows with the programs and is not bounded.
        trace: Counts, and what was raised.

    Returns:
        For each node ``u`` float64 numbers on the CPU, in execution order.

    Raises:
        InputError: The capture lacks a statistic.
    """
    trace = Trace() if trace is None else trace
    vectors = {node: torch.full((len(capture.units),), math.nan, dtype=torch.float64) for node in nodes}
    if not capture.units:
        return vectors
    _check_captured(nodes, capture)
    order = postorder(nodes)
    of_images = images_only(order)
    own = [node for node in nodes if node not in of_images]
    with torch.inference_mode():
        read = {arg for node in order if node not in of_images for arg in node.args}
        keep = {node for node in of_images if node in read or node in vectors}
        shared = _run([node for node in order if node in of_images], {}, capture.images.__getitem__, keep, trace)
        for node in keep & vectors.keys():
            _write(vectors[node], range(len(capture.units)), shared[node], node, trace)
        for group in capture.groups:
            step = units_at_once(capture, group, memory)
            for start in range(0, len(group.units), step):
                stop = min(start + step, len(group.units))
                _evaluate_chunk(own, shared, group, range(start, stop), vectors, trace)
    return vectors


def _evaluate_chunk(
    nodes: Sequence[Node],
    shared: Mapping[Node, _Value],
    group: ShapeGroup,
    chunk: range,
    vectors: Mapping[Node, Tensor],
    trace: Trace,
) -> None:
    """Write the values of reductions on some units of a group into their vectors."""
    order = postorder(nodes)
    of_images = images_only(order)
    order = [node for node in order if node not in of_images]
    values = _run(order, shared, lambda name: group.stacked(name, chunk.start, chunk.stop), set(nodes), trace)
    raised = [node for node in nodes if isinstance(values[node], _Failure) and len(chunk) > 1]
    units = [group.units[place] for place in chunk]
    for node in nodes:
        if node not in raised:
            _write(vectors[node], units, values[node], node, trace)
    for place in chunk if raised else ():  # find the units that raise; the others keep their values
        _evaluate_chunk(raised, shared, group, range(place, place + 1), vectors, trace)


def _write(vector: Tensor, units: Sequence[int], value: _Value, node: Node, trace: Trace) -> None:
    if isinstance(value, Tensor):
        vector[list(units)] = value.to("cpu", torch.float64)
    elif isinstance(value, _Failure):
        trace.failures.setdefault(node, value.detail)


def _check_captured(nodes: Iterable[Node], capture: Capture) -> None:
    held = set(capture.images).union(*[group.tensors for group in capture.groups])
    missing = sorted(statistics(nodes) - held)
    if missing:
        raise InputError(f"the capture must hold every statistic that the programs read; it lacks {', '.join(missing)}")


def images_only(order: Iterable[Node]) -> set[Node]:
    """Return the nodes that are the same for every unit, literals included."""
    found: set[Node] = set()
    for node in order:
        if all(arg in found for arg in node.args) if node.args else node.kind in (Kind.IMAGE, Kind.LITERAL):
            found.add(node)
    return found


def units_at_once(capture: Capture, group: ShapeGroup, memory: int = MEMORY) -> int:
    """Return how many units of a group are stacked; it depends on their shapes, not on what is evaluated."""
    unit = capture.units[group.units[0]]
    largest = max(math.prod(shape) for shape in (unit.weight_shape, unit.input_shape, unit.output_shape))
    item = next(iter(group.tensors.values()))[0].element_size() if group.tensors else 1
    return max(1, memory // (_ALIVE * largest * item))


@dataclass(frozen=True)
class _Failure:
    """Stands for a value that could not be computed."""

    detail: str


_Value = Tensor | float | _Failure


def _run(
    order: Sequence[Node],
    given: Mapping[Node, _Value],
    leaf: Callable[[str], Tensor],
    keep: Collection[Node],
    trace: Trace,
) -> dict[Node, _Value]:
    """Evaluate nodes, arguments first, freeing each value after its last use.

    Args:
        order: Distinct nodes; their arguments come before them or in ``given``.
        given: Values that are known.
        leaf: Gives the stacked tensor of a statistic.
        keep: Nodes whose values are returned.
        trace: Counts.
    """
    values = dict(given)
    uses = Counter([arg for node in order for arg in node.args])
    for node in order:
        values[node] = _value(node, values, leaf, trace)
        for arg in node.args:
            uses[arg] -= 1
            if not uses[arg] and arg not in keep:
                del values[arg]
    return {node: values[node] for node in keep}


def _value(node: Node, values: Mapping[Node, _Value], leaf: Callable[[str], Tensor], trace: Trace) -> _Value:
    if not node.args:
        return float(node.name) if node.kind is Kind.LITERAL else leaf(node.name)
    args: list[Tensor | float] = []
    for arg in node.args:
        value = values[arg]
        if isinstance(value, _Failure):
            return value
        args.append(value)
    units = max([value.shape[0] for value in args if isinstance(value, Tensor)])
    # what is the same for every unit is repeated where it meets what is not
    args = [value.expand(units, *value.shape[1:]) if isinstance(value, Tensor) else value for value in args]
    function = primitives.resolve(node.name, [arg.kind for arg in node.args])[0].function
    trace.calls += 1
    trace.evaluations += units
    try:
        return function(*args)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # it is documented
        return _Failure(f"{node.name} raised {type(error).__name__}: {error}")


def evaluate(programs: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str = "auto") -> list[Score]:
    """Score one network with many programs: one capture of just the statistics that they read, one evaluation.

    Args:
        programs: Roots of kind NETWORK.
        network: Left as it was found.
        minibatch: Images and labels.
        units: Which layers are units: see ``capture``.

    Returns:
        One score a program. NO_UNITS where the network has no unit, EXCEPTION where capturing or a primitive raised,
        NON_FINITE where the formula gives NaN or an infinity; the detail says why.
    """
    try:
        captured = capture(network, minibatch, statistics(programs), units)
    except NoUnitsError as error:
        return [Score.failed(Status.NO_UNITS, str(error))] * len(programs)
    except NETWORK_FAILURES as error:
        return [Score.failed(Status.EXCEPTION, f"{type(error).__name__}: {error}")] * len(programs)
    trace = Trace()
    vectors = evaluate_reductions(reductions(programs), captured, trace=trace)
    layout = Layout([len(captured.units)])
    ragged = {node: layout.ragged([vector]) for node, vector in vectors.items()}
    values = evaluate_upper(programs, ragged, layout)[:, 0].tolist()
    return [_score(program, value, captured, vectors, trace) for program, value in zip(programs, values, strict=True)]


def _score(program: Node, value: float, captured: Capture, vectors: Mapping[Node, Tensor], trace: Trace) -> Score:
    below = reductions([program])
    for node in below:
        if node in trace.failures:
            return Score.failed(Status.EXCEPTION, trace.failures[node])
    if math.isfinite(value):
        return Score(value)
    for node in below:
        wrong = (~vectors[node].isfinite()).nonzero().flatten().tolist()
        if wrong:
            unit = captured.units[wrong[0]]
            detail = f"the value is {value}; {node.text} is {vectors[node][wrong[0]].item()} on unit {unit.name}"
            return Score.failed(Status.NON_FINITE, detail)
    return Score.of(value)
