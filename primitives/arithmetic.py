"""Arithmetic, entry by entry: on tensors, on the numbers of units, and on the number of a network."""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import NUMBER_KINDS, TENSOR_KINDS
from eznas.primitives.records import Parameter
from eznas.primitives.registry import keeping, primitive
from eznas.primitives.special_values import over, powered, root

_KINDS = (*TENSOR_KINDS, *NUMBER_KINDS)
_ONE = keeping(_KINDS)
_TWO = keeping(_KINDS, arity=2)
_KEEPS_SIGN = {"entrywise": True, "nonnegative": "if arguments are"}
_MAGNITUDE = {"entrywise": True, "nonnegative": "always", "ignores": ("abs", "neg")}


@primitive(
    *_TWO,
    formula="x + y",
    latex="{0} + {1}",
    commutative=True,
    rules=("add(x, neg(y)) = sub(x, y)", "add(neg(x), y) = sub(y, x)"),
    **_KEEPS_SIGN,
)
def add(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x + y``, broadcast."""
    return x + y


@primitive(
    *_TWO,
    formula="x - y",
    latex=r"{0} - \left({1}\right)",
    entrywise=True,
    of_second="neg",
    rules=("sub(x, neg(y)) = add(x, y)",),
)
def sub(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x - y``, broadcast."""
    return x - y


@primitive(
    *_TWO,
    formula="x y",
    latex=r"\left({0}\right) \left({1}\right)",
    commutative=True,
    rules=("mul(neg(x), neg(y)) = mul(x, y)", "mul(x, x) = square(x)"),
    **_KEEPS_SIGN,
)
def mul(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x * y``, broadcast."""
    return x * y


@primitive(
    *_TWO,
    formula="x / y",
    domain="an infinity where y is 0 and x is not; NaN where both are 0",
    latex=r"\frac{{{0}}}{{{1}}}",
    of_second="reciprocal",
    rules=("div(neg(x), neg(y)) = div(x, y)",),
    **_KEEPS_SIGN,
)
def div(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x / y``, broadcast."""
    return x / y


@primitive(
    *_TWO,
    formula="x / y where y is not 0, else 0",
    domain="NaN where y is 0 and x is not finite",
    entrywise=True,
    of_second="reciprocal",
)
def safe_div(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x / y``, broadcast, and 0 where ``y`` is 0."""
    return over(x, y)


@primitive(
    *_TWO, formula="the greater of x and y", latex=r"\max({0}, {1})", rules=("maximum(x, x) = x",), **_KEEPS_SIGN
)
def maximum(x: Tensor, y: Tensor) -> Tensor:
    """Return the greater of ``x`` and ``y`` at each entry, broadcast; NaN where either is."""
    return torch.maximum(x, y)


@primitive(*_TWO, formula="the lesser of x and y", latex=r"\min({0}, {1})", rules=("minimum(x, x) = x",), **_KEEPS_SIGN)
def minimum(x: Tensor, y: Tensor) -> Tensor:
    """Return the lesser of ``x`` and ``y`` at each entry, broadcast; NaN where either is."""
    return torch.minimum(x, y)


@primitive(*_ONE, formula="-x", latex=r"-\left({0}\right)", entrywise=True, rules=("neg(neg(x)) = x",))
def neg(x: Tensor) -> Tensor:
    """Return ``-x``."""
    return -x


@primitive(*_ONE, formula="|x|", latex=r"\lvert {0} \rvert", rules=("abs(x) = x where x >= 0",), **_MAGNITUDE)
def abs_(x: Tensor) -> Tensor:
    """Return the absolute value."""
    return x.abs()


@primitive(*_ONE, formula="x^2", latex=r"\left({0}\right)^2", **_MAGNITUDE)
def square(x: Tensor) -> Tensor:
    """Return ``x * x``."""
    return x.square()


@primitive(
    *_ONE,
    formula="the root of x",
    domain="NaN where x is negative",
    latex=r"\sqrt{{{0}}}",
    increasing=True,
    **_KEEPS_SIGN,
)
def sqrt(x: Tensor) -> Tensor:
    """Return the square root."""
    return root(x)


@primitive(
    *keeping(_KINDS, literal=True),
    formula="x^p, where p is the exponent",
    domain="NaN where x is negative, unless p is whole; an infinity where x is 0 and p is negative",
    latex=r"\left({0}\right)^{{{1}}}",
    parameter=Parameter("exponent", choices=(-1.0, -0.5, 0.25, 0.5, 3.0), low=-8.0, high=8.0),
    increasing=lambda p: p > 0 and p % 2 != 0,
    rules=("power(x, 1) = x", "power(x, 2) = square(x)", "power(x, 0.5) = sqrt(x)", "power(x, -1) = reciprocal(x)"),
    **_KEEPS_SIGN,
)
def power(x: Tensor, p: float) -> Tensor:
    """Return ``x`` to the power ``p``."""
    return powered(x, p)


@primitive(
    *keeping(NUMBER_KINDS, literal=True),
    formula="c x, where c is the factor",
    latex=r"{1} \cdot \left({0}\right)",
    parameter=Parameter("factor", choices=(-1.0, 1.0), low=-1e8, high=1e8),
    increasing=lambda c: c > 0,
    entrywise=True,
    rules=("scale(x, 1) = x", "scale(x, -1) = neg(x)"),
    draw_weight=0.0,
)
def scale(x: Tensor, c: float) -> Tensor:
    """Return ``c x``, a term of a weighted sum."""
    return c * x


@primitive(
    *_ONE,
    formula="1 / x",
    domain="an infinity where x is 0, with the sign of this zero",
    latex=r"\frac{{1}}{{{0}}}",
    **_KEEPS_SIGN,
)
def reciprocal(x: Tensor) -> Tensor:
    """Return ``1 / x``."""
    return x.reciprocal()
