"""Estimates the seconds that programs take on a network, from the shapes of its units."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import torch

from eznas.passes.sizes import DOUBLE, ENTRY, PRODUCT, eigenvalues, gram, spectrum
from eznas.primitives import STATISTICS, Floor, Kind
from eznas.primitives.spectral import RANK, WIDE
from eznas.programs import postorder, statistics
from eznas.programs.costs import passes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.capture import Unit
    from eznas.passes.sizes import Sizes
    from eznas.primitives import Primitive
    from eznas.programs import Node

    Shape = tuple[int, ...]

_CALL = 3e-5
"""Seconds of a primitive on a unit of any size."""
_ITERATIONS = 5
"""The time of the eigenvalues of any matrix, in those of a symmetric one."""
_ELEMENTWISE = 4
"""Passes over its argument that a primitive makes."""
_PROBE = {
    Kind.WEIGHT: (5, 3, 4, 4),
    Kind.INPUT: (2, 3, 4, 4),
    Kind.OUTPUT: (2, 3, 4, 4),
    Kind.IMAGE: (2, 3, 4, 4),
    Kind.SAMPLES: (2, 2),
}
"""Shapes of small tensors, which show the axes that primitives reduce."""


def program_seconds(program: Node, units: Sequence[Unit], sizes: Sizes) -> float:
    """Estimate the seconds of a program, measures that it reads left out.

    Args:
        program: The program.
        units: The units of the network, with their shapes on the whole minibatch.
        sizes: The sizes of the network's passes.
    """
    names = statistics([program])
    if not names:
        return 0.0
    forward, backward = passes(names)
    weights = any(STATISTICS[name].quantity == "weight_grad" for name in names)
    total = forward * sizes.forward() + backward * sizes.backward(weights=weights)
    nodes = [node for node in postorder([program]) if node.args and node.args[0].kind.floor is Floor.TENSOR]
    for unit in units:
        shapes = {
            Kind.WEIGHT: unit.weight_shape,
            Kind.INPUT: unit.input_shape,
            Kind.OUTPUT: unit.output_shape,
            Kind.IMAGE: unit.input_shape,
            Kind.SAMPLES: unit.input_shape[:1] * 2,
        }
        for node in nodes:
            arguments = [arg for arg in node.args if arg.kind.floor is Floor.TENSOR]
            low = math.prod(unit.output_shape) // unit.output_shape[1] <= RANK  # samples and positions
            rank = low and arguments[0].name.startswith("weight_grad.")
            total += _seconds(node, [_shape(arg, shapes) for arg in arguments], low_rank=rank)
    return total


def _shape(node: Node, shapes: dict[Kind, Shape]) -> Shape:
    """Return the shape of a node's value on a unit."""
    kept = zip(_probed(node).shape[1:], _PROBE[node.kind], shapes[node.kind], strict=True)
    return tuple(actual if probe == whole else 1 for probe, whole, actual in kept)


@functools.lru_cache(maxsize=2**12)
def _probed(node: Node) -> Any:
    """Return the value of a node where statistics are small tensors of ones."""
    if not node.args:
        return float(node.name) if node.kind is Kind.LITERAL else torch.ones(1, *_PROBE[node.kind])
    return node.primitive.function(*[_probed(arg) for arg in node.args])


def _seconds(node: Node, shapes: Sequence[Shape], *, low_rank: bool) -> float:
    """Return the seconds of a primitive on a unit; shapes are those of its arguments."""
    shape, family = max(shapes, key=math.prod), node.primitive.family
    first, rest = shape[0], math.prod(shape[1:])
    entries = first * rest
    if family == "spectral":
        if min(first, rest) >= WIDE:
            reduced = gram(RANK, entries // RANK) + 3 * entries * (ENTRY + DOUBLE * PRODUCT * RANK)
            return reduced if low_rank else reduced + spectrum(first, rest)
        return _CALL + spectrum(first, rest)
    if family == "matrices":
        return _CALL + _matrices(node.primitive, shape)
    products = first if family == "similarity" and node.kind is Kind.SAMPLES else 0
    return _CALL + entries * (_ELEMENTWISE * ENTRY + products * DOUBLE * PRODUCT)


def _matrices(primitive: Primitive, shape: Shape) -> float:
    """Return the seconds of a function of the trailing maps."""
    first, channels, rows, columns = (1,) * (4 - len(shape)) + shape  # of samples, one matrix
    count = first * channels
    if 1 in (rows, columns) and rows != columns:  # tokens by channels, for each sample
        count, rows, columns = first, rows * columns, channels
    side = min(rows, columns)
    if rows == columns == 1:
        return count * _ELEMENTWISE * ENTRY
    prepared = 0.0 if rows == columns else gram(rows, columns)
    if primitive.arity > 1:
        return count * rows * columns * side * 2 * PRODUCT
    if primitive.eigenvalues:
        return count * (prepared + _ITERATIONS * eigenvalues(side))
    return count * (prepared + 2e-7 + side**3 * DOUBLE * PRODUCT)
