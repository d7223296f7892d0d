"""Finds tensors that are elementwise functions of one other tensor, such as activations that are written by hand.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from eznas.capture.function import Function, Shape, Step, version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.capture.call import Call


class Elementwise:
    """Follows elementwise functions through a forward pass.

    Args:
        constant: Whether a tensor is computed from parameters, buffers and numbers alone.
    """

    def __init__(self, constant: Callable[[Tensor, str], bool]) -> None:
        self._constant = constant
        self._steps: dict[int, Step] = {}

    def step(self, tensor: Tensor) -> Step:
        """Return the step of a tensor as it is now."""
        known = self._steps.get(id(tensor))
        if known is None or known.tensor() is not tensor or known.version != version(tensor):
            known = self._steps[id(tensor)] = Step(weakref.ref(tensor), version(tensor))
        return known

    def function(self, call: Call) -> Function | None:
        """Return the function of one tensor that a call computes; None where it is none."""
        name = kind_of(call)
        if name not in _TRACKED:
            return None
        tensors = call.tensors
        varying = [tensor for tensor in tensors if tensor.dim() and not self._constant(tensor, name)]
        if not varying:
            return None
        if name in ("max", "min") and len(tensors) == 1:
            return None
        steps = [self.step(tensor) for tensor in varying]
        if name in _EXPANDING and not (_expands(call) and any(step.reduces for step in steps[0].sources())):
            return None
        shared = [step for step in steps[0].sources() if all(step in other.sources() for other in steps[1:])]
        if not shared:
            return None
        source = read = shared[0]
        paths = [step.to(source) for step in steps]
        many = len(steps) > 1
        squares = [step for path in paths for step in _squares(path)] if many and name in _NORMALISING else []
        square = squares[0] if squares and squares[0].read.current() is not None else None
        if square and all(square in path or square.read in path for path in paths):  # such as that of a ReLU
            source = read = square.read
            paths = [path[: path.index(source)] if source in path else path for path in paths]
        shape = Shape.AFFINE
        for path in paths:
            for step in path:
                shape |= step.shape
        flat = [any(step.flat for step in path) for path in paths]
        own, result_flat = _own_shape(name, call, varying, flat)
        shape |= own
        bends = bool(shape & (Shape.BENT | Shape.CURVED)) and name not in _MASKING and not result_flat
        outside = bool(shape & (Shape.REDUCED | Shape.SPREAD))
        standalone = (name in UNARY or name in _COMPARING) and not many
        inner = (standalone or name in CLAMPS) and not many and source.activation and source.source is not None
        if inner and source.source is not None:  # such as a squared or capped ReLU
            paths, shape, source, standalone = [[source]], shape | source.shape, source.source, True
        degrees = [_product([step.degree for step in path]) for path in paths]
        constants = [tensor for tensor in tensors if tensor.dim() and all(tensor is not one for one in varying)]
        factors = [factor for path in paths for step in path for factor in step.factors]
        factors += constants if name in MULTIPLYING else []
        degree = _degree(name, call, varying, degrees)
        shares = source.shape is Shape.CURVED and not source.activation  # of exponentials, as in a softmax
        normalised = outside and degree == 0 and many and not shares
        between = tuple(dict.fromkeys(one for path in paths for step in path for one in (step, *step.between)))
        parts = tuple(step for step in between if step.is_part) if normalised else ()
        return Function(
            source=source,
            shape=shape,
            flat=result_flat,
            activates=bends and not outside and (standalone or many),
            normalises=bool(shape & Shape.REDUCED) and not shape & Shape.SPREAD and many and name in _NORMALISING,
            scales=not many and own is Shape.AFFINE and all(one.dim() == 0 for one in tensors if one is not varying[0]),
            inner=tuple(step for path in paths for step in path if step.activation),
            reduces=name in _REDUCING,
            read=None if read is source else read,
            squares=(*squares, *(step for step in parts if step.activation and step not in squares)),
            degree=degree,
            entering_degree=degrees[0],
            factors=tuple({id(factor): factor for factor in factors}.values()),
            normalised=normalised,
            parts=parts,
            between=between if many or inner else (),
        )

    def note(self, out: Any, function: Function | None, *, activation: bool = False, composite: bool = False) -> None:
        """Note the result of a call, or its results where it computes a variance and a mean."""
        if function is not None and isinstance(out, tuple) and function.reduces:
            for member, degree in zip(out, (function.degree, function.entering_degree), strict=True):
                self.note(member, replace(function, degree=degree))
        elif function is not None and isinstance(out, Tensor):
            step = Step(weakref.ref(out), version(out), function.source, function.shape, function.flat, activation)
            step.composite = composite or (function.scales and function.source.composite)
            step.reduces, step.read = function.reduces, function.read or function.source
            step.degree, step.factors, step.between = function.degree, function.factors, function.between
            self._steps[id(out)] = step


def kind_of(call: Call) -> str:
    """Return the name of a call's function, ``"mul"`` where ``einsum`` multiplies a tensor elementwise by another."""
    equation = call.args[0] if call.name == "einsum" and call.args else None
    if not isinstance(equation, str) or "->" not in equation or len(call.tensors) != 2:  # noqa: PLR2004
        return call.name.strip("_")
    terms, _, out = equation.replace(" ", "").partition("->")
    first, _, second = terms.partition(",")
    return "mul" if out in (first, second) and set(first) | set(second) == set(out) else "einsum"


def _own_shape(name: str, call: Call, varying: Sequence[Tensor], flat: Sequence[bool]) -> tuple[Shape, bool]:
    """Return how a call itself deviates from an affine function, and whether its result is constant on pieces."""
    if name in _MASKING:
        return Shape.BENT, True
    chooses = name == "where" and flat[0] and varying[0] is call.tensors[0]
    if name in BENDING or chooses:
        return Shape.BENT, chooses and all(flat)
    if name in _REDUCING:
        return (Shape.REDUCED if _keeps_last_axis(call, varying[0]) else Shape.SPREAD), False
    many = len(varying) > 1
    divides = name in _DIVIDING and (many or varying[0] is not call.args[0] or name in ("rdiv", "rtruediv"))
    if name in _CURVING or (divides and not flat[-1]):
        return Shape.CURVED, False
    adds = name == "addcmul" and varying[0] is call.argument(0, "input")
    factors = flat[1:] if adds else flat
    if len(factors) > 1 and (name in MULTIPLYING or name == "addcmul"):
        return (Shape.BENT if any(factors) else Shape.CURVED), all(flat)
    return Shape.AFFINE, all(flat)


def _product(degrees: Sequence[float | None]) -> float | None:
    """Return the degree of functions one behind the other."""
    return None if None in degrees else math.prod(degrees)  # type: ignore[arg-type]


def _degree(name: str, call: Call, varying: Sequence[Tensor], degrees: Sequence[float | None]) -> float | None:
    """Return the degree of a call's result; degrees are those of its varying arguments. See ``Step``."""
    known = [degree for degree in degrees if degree is not None]
    if len(known) < len(degrees):
        return None
    if name in MULTIPLYING:
        return sum(known)
    if name in _DIVIDING:
        reverse = name in ("rdiv", "rtruediv") or varying[0] is not call.args[0]
        return known[0] - known[1] if len(known) > 1 else -known[0] if reverse else known[0]
    power: Any = _POWERS.get(name)
    if name in ("pow", "float_power"):
        power = call.args[1] if len(call.args) > 1 else call.kwargs.get("exponent")
    if len(set(known)) > 1 or not isinstance(power, (int, float)):
        return None
    return known[0] * power


def _squares(path: Sequence[Step]) -> list[Step]:
    """Return the steps of a path, the nearest first, that are squares or absolute values and are summed or averaged."""
    squares, reduced = [], False
    for step in path:
        if step.activation:
            squares += [step] if reduced and step.composite else []
            reduced = False
        elif step.reduces or step.shape is not Shape.AFFINE:
            reduced = step.reduces
    return squares


def _expands(call: Call) -> bool:
    """Return whether a call adds axes of length 1, or repeats along them, and changes nothing else."""
    if call.name != "__getitem__":
        return True
    places = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    return all(place is None or place is Ellipsis or place == slice(None) for place in places)


def _keeps_last_axis(call: Call, tensor: Tensor) -> bool:
    """Return whether a sum or a mean is over the last axis of a tensor alone."""
    axes = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
    axes = axes if isinstance(axes, (list, tuple)) else (axes,)
    return all(axis in (-1, tensor.dim() - 1) for axis in axes)


UNARY = frozenset((
    "abs", "absolute", "arctan", "asinh", "atan", "cos", "erf", "pow", "sin", "sinc", "square",
))  # fmt: skip
"""Functions of one tensor that are activations, beside those of ``CallHooks.ACTIVATIONS``."""

CLAMPS = frozenset(("clamp", "clamp_max", "clamp_min", "clip"))
_COMPARING = frozenset(("max", "maximum", "min", "minimum"))
BENDING = CLAMPS | _COMPARING | frozenset((
    "abs", "absolute", "hardshrink", "hardsigmoid", "hardtanh", "leaky_relu", "prelu", "relu", "relu6", "rrelu",
    "softshrink", "threshold",
))  # fmt: skip
"""Piecewise linear functions."""

_CURVING = frozenset((
    "arctan", "asinh", "atan", "celu", "cos", "elu", "erf", "erfc", "exp", "exp2", "expm1", "float_power", "gelu",
    "hardswish", "log", "log10", "log1p", "log2", "logsigmoid", "mish", "pow", "reciprocal", "rpow", "rsqrt", "selu",
    "sigmoid", "silu", "sin", "sinc", "softplus", "softsign", "sqrt", "square", "tanh", "tanhshrink",
))  # fmt: skip

_MASKING = frozenset((
    "bitwise_and", "bitwise_not", "bitwise_or", "eq", "ge", "greater", "greater_equal", "gt", "heaviside", "invert",
    "le", "less", "less_equal", "logical_and", "logical_not", "logical_or", "lt", "ne", "sign",
))  # fmt: skip
"""Functions whose results are constant on pieces."""

MULTIPLYING = frozenset(("imul", "mul", "multiply", "rmul"))
_DIVIDING = frozenset(("div", "divide", "itruediv", "rdiv", "rtruediv", "true_divide", "truediv"))
_ADDING = frozenset(("add", "iadd", "isub", "neg", "negative", "radd", "rsub", "sub", "subtract"))
COPYING = frozenset(("bfloat16", "clone", "contiguous", "double", "float", "half", "to", "type", "type_as"))
_EXPANDING = frozenset(("expand", "expand_as", "getitem", "unsqueeze"))
"""Functions that give sums and means the axes of their argument."""
_REDUCING = frozenset((
    "linalg_norm", "linalg_vector_norm", "mean", "norm", "std", "std_mean", "sum", "var", "var_mean",
))  # fmt: skip
_RECTIFYING = frozenset(("leaky_relu", "relu"))
_ABSOLUTE = frozenset(("abs", "absolute"))
_POWERS = dict.fromkeys(CLAMPS | _COMPARING | _ADDING | COPYING | _EXPANDING | _REDUCING | _RECTIFYING | _ABSOLUTE, 1.0)
_POWERS |= {"reciprocal": -1.0, "rsqrt": -0.5} | {"sqrt": 0.5} | dict.fromkeys(("square", "var", "var_mean"), 2.0)
"""The powers by which functions of one tensor grow with it."""

_NORMALISING = MULTIPLYING | _DIVIDING | {"sub", "subtract", "isub"}

COMBINING = frozenset(("addcmul", "masked_fill", "where")) | _COMPARING | MULTIPLYING | _DIVIDING | _ADDING
"""Functions that are activations where all their tensors are functions of one tensor, and the result is not affine."""

_TRACKED = COMBINING | BENDING | _CURVING | _MASKING | COPYING | _EXPANDING | _REDUCING
