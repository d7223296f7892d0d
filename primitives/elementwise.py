"""Functions of one tensor that keep its shape: logarithms, activations, and rescaling within a unit."""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import NUMBER_KINDS, TENSOR_KINDS, Kind
from eznas.primitives.records import Parameter
from eznas.primitives.registry import keeping, primitive
from eznas.primitives.special_values import exponential, logarithm

_KINDS = (*TENSOR_KINDS, *NUMBER_KINDS)

KEEP_SHAPE = (
    "abs", "neg", "square", "sqrt", "reciprocal", "exp", "log", "safe_log", "abs_log", "log1p", "relu", "sigmoid",
    "sign", "heaviside", "gt0", "lt0", "normalize", "softmax",
)  # fmt: skip
"""Functions of one argument that keep its shape."""
_ONE = keeping(_KINDS)
_TENSOR = keeping(TENSOR_KINDS)
_BOUND = Parameter("bound", choices=(-1.0, 1.0), low=-1e12, high=1e12)
_SHAPE = {"entrywise": True, "nonnegative": "always", "shape_only": True, "ignores": KEEP_SHAPE, "draw_weight": 0.1}


@primitive(*_ONE, formula="e^x", latex=r"e^{{{0}}}", increasing=True, entrywise=True, nonnegative="always")
def exp(x: Tensor) -> Tensor:
    """Return the exponential."""
    return exponential(x)


@primitive(
    *_ONE,
    formula="the natural logarithm of x",
    domain="minus infinity where x is 0, NaN where x is negative",
    latex=r"\log\left({0}\right)",
    increasing=True,
    entrywise=True,
    rules=("log(abs(x)) = abs_log(x)", "log(sum(x)) = log_sum(x)"),
)
def log(x: Tensor) -> Tensor:
    """Return the natural logarithm."""
    return logarithm(x)


@primitive(
    *_ONE,
    formula="log x where x > 0, else 0",
    source="[EZNAS], whose released code uses this function for every logarithm",
    entrywise=True,
)
def safe_log(x: Tensor) -> Tensor:
    """Return the natural logarithm of positive entries and 0 for the others."""
    return torch.threshold(x, 0.0, 1.0).log_()


@primitive(
    *_ONE,
    formula="log |x|",
    domain="minus infinity where x is 0",
    latex=r"\log\lvert {0} \rvert",
    entrywise=True,
    ignores=("abs", "neg"),
)
def abs_log(x: Tensor) -> Tensor:
    """Return the natural logarithm of the absolute value."""
    return logarithm(x.abs())


@primitive(
    *_ONE,
    formula="log(1 + x)",
    domain="minus infinity where x is -1, NaN where x is below -1",
    latex=r"\log\left(1 + {0}\right)",
    increasing=True,
    entrywise=True,
    nonnegative="if arguments are",
)
def log1p(x: Tensor) -> Tensor:
    """Return the natural logarithm of ``1 + x``, exact for small ``x``."""
    return x.log1p()


@primitive(
    *keeping(NUMBER_KINDS, literal=True),
    formula="max(x, c), where c is the bound",
    latex=r"\max\left({0}, {1}\right)",
    parameter=_BOUND,
    entrywise=True,
    draw_weight=0.0,
)
def at_least(x: Tensor, c: float) -> Tensor:
    """Return ``x``, but at least ``c``; NaN where ``x`` is."""
    return x.clamp_min(c)


@primitive(
    *keeping(NUMBER_KINDS, literal=True),
    formula="min(x, c), where c is the bound",
    latex=r"\min\left({0}, {1}\right)",
    parameter=_BOUND,
    entrywise=True,
    draw_weight=0.0,
)
def at_most(x: Tensor, c: float) -> Tensor:
    """Return ``x``, but at most ``c``; NaN where ``x`` is."""
    return x.clamp_max(c)


@primitive(*_ONE, formula="max(x, 0)", entrywise=True, rules=("relu(x) = x where x >= 0",))
def relu(x: Tensor) -> Tensor:
    """Return the positive part."""
    return x.relu()


@primitive(
    *_ONE,
    formula="1 / (1 + e^-x)",
    latex=r"\sigma\left({0}\right)",
    increasing=True,
    entrywise=True,
    nonnegative="always",
)
def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function."""
    return exponential(-x).add_(1).reciprocal_()


@primitive(
    *_ONE,
    formula="1 where x > 0, -1 where x < 0, else 0",
    domain="NaN where x is NaN",
    entrywise=True,
    ignores=("sign",),
    keeps=("gt0",),
)
def sign(x: Tensor) -> Tensor:
    """Return the sign."""
    return x.sign().add_(x.clamp(-1, 1).mul_(0))  # torch has 0 at NaN


@primitive(
    *keeping((*TENSOR_KINDS, Kind.UNIT)),
    formula="1 where x > 0, else 0",
    domain="everywhere; 0 where x is 0 or NaN",
    source="[EZNAS], where it equals gt0",
    latex=r"H\left({0}\right)",
    entrywise=True,
    nonnegative="always",
    rules=("heaviside(x) = gt0(x)",),
)
def heaviside(x: Tensor) -> Tensor:
    """Return the step function with value 0 at 0."""
    return torch.gt(x, 0, out=x.new_empty(0))


@primitive(*_TENSOR, formula="1", domain="everywhere; 1 where x is NaN", **_SHAPE)
def ones_like(x: Tensor) -> Tensor:
    """Return ones in the shape of ``x``."""
    return torch.ones_like(x)


@primitive(*_TENSOR, formula="0", domain="everywhere; 0 where x is NaN", **_SHAPE)
def zeros_like(x: Tensor) -> Tensor:
    """Return zeros in the shape of ``x``."""
    return torch.zeros_like(x)


def _z_score(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    # The clamp makes the mean of equal values exactly that value; the scale keeps squares from underflowing.
    mean = x.mean(axes, keepdim=True).clamp(low, high)
    scale = torch.maximum(high - mean, mean - low)
    scaled = (x - mean).div_(torch.where(scale == 0, 1.0, scale))
    root = scaled.square().mean(axes, keepdim=True).sqrt()
    return scaled.div_(torch.where(root == 0, 1.0, root))


@primitive(
    *_TENSOR,
    formula="(x - mean) / std. The mean and the standard deviation are over all entries of the unit; the latter has "
    "the denominator n",
    domain="0 where all entries are equal; NaN where an entry is not finite",
    source="[EZNAS]",
)
def normalize(x: Tensor) -> Tensor:
    """Return the z-scores within each unit, ``u x *s``."""
    return _z_score(x, tuple(range(1, x.dim())))


@primitive(
    *keeping([Kind.UNIT]),
    name="normalize",
    formula="(x - mean) / std. The mean and the standard deviation are over the units; the latter has the denominator "
    "u",
    domain="0 where all units are equal; NaN where a unit is not finite",
)
def normalize_units(x: Tensor) -> Tensor:
    """Return the z-scores among the units of a network, ``u``."""
    return _z_score(x, (-1,))


@primitive(
    *_TENSOR,
    formula="e^x / (sum of e^x over the channels); for a matrix of the kind samples, the sum is over the last axis",
    domain="NaN where an entry of the sum is NaN or plus infinity, or where x is minus infinity in all entries of the "
    "sum",
    source="[EZNAS], which names no axis, so that torch takes these axes",
    nonnegative="always",
)
def softmax(x: Tensor) -> Tensor:
    """Return the softmax along the second axis after the units, ``u x *s``."""
    return x.softmax(2)


@primitive(
    *keeping([Kind.UNIT]),
    name="softmax",
    formula="e^x / (sum of e^x over the units)",
    domain="NaN where a unit is NaN or plus infinity, or where all units are minus infinity",
    nonnegative="always",
)
def softmax_units(x: Tensor) -> Tensor:
    """Return the softmax among the units of a network, ``u``."""
    return x.softmax(-1)
