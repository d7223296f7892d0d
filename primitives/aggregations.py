"""Aggregations: functions that turn the numbers of all units into one number for the network.

Units come in execution order. If the number of a unit is NaN, the result is NaN. The exceptions are ``first`` and
``last``, which read one unit, and ``count``, which reads none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.elementwise import KEEP_SHAPE
from eznas.primitives.kinds import Kind
from eznas.primitives.registry import primitive, reducing

_UNITS = reducing([Kind.UNIT], Kind.NETWORK)
_MIDDLE = {"nonnegative": "if arguments are", "ignores_size": True}


@primitive(*_UNITS, name="mean", formula="mean of x over units", latex=r"\frac1u \sum_u {0}", **_MIDDLE)
def mean_of_units(x: Tensor) -> Tensor:
    """``u`` to a number: the mean."""
    return x.mean(-1)


@primitive(
    *_UNITS,
    name="sum",
    formula="sum of x over units",
    latex=r"\sum_u {0}",
    nonnegative="if arguments are",
    rules=("sum(log(x)) = sum_log(x)",),
)
def sum_of_units(x: Tensor) -> Tensor:
    """``u`` to a number: the sum."""
    return x.sum(-1)


@primitive(*_UNITS, name="max", formula="greatest x of all units", latex=r"\max_u {0}", **_MIDDLE)
def max_of_units(x: Tensor) -> Tensor:
    """``u`` to a number: the greatest."""
    return x.amax(-1)


@primitive(*_UNITS, name="min", formula="least x of all units", latex=r"\min_u {0}", **_MIDDLE)
def min_of_units(x: Tensor) -> Tensor:
    """``u`` to a number: the least."""
    return x.amin(-1)


@primitive(
    *_UNITS,
    name="std",
    formula="root of the mean over units of (x - mean of x)^2; the denominator of this mean is u",
    domain="exactly 0 where all units are equal; NaN where a unit is not finite",
    latex=r"\operatorname{{std}}_u {0}",
    nonnegative="always",
    ignores_size=True,
    ignores=("neg",),
)
def std_of_units(x: Tensor) -> Tensor:
    """``u`` to a number: the population standard deviation."""
    # The clamp makes the mean of equal values exactly that value, so that they deviate by exactly 0.
    low, high = torch.aminmax(x, dim=-1, keepdim=True)
    mean = x.mean(-1, keepdim=True).clamp(low, high)
    return (x - mean).square().mean(-1).sqrt()


@primitive(
    *_UNITS,
    formula="sum of log x over units",
    domain="minus infinity where a unit is 0, NaN where a unit is negative",
    latex=r"\sum_u \log {0}",
)
def sum_log(x: Tensor) -> Tensor:
    """``u`` to a number: the sum of logarithms."""
    return x.log().sum(-1)


@primitive(
    *_UNITS,
    formula="log of the sum of x over units",
    domain="minus infinity where the sum is 0, NaN where the sum is negative",
    latex=r"\log \sum_u {0}",
    orders_as="sum",
)
def log_sum(x: Tensor) -> Tensor:
    """``u`` to a number: the logarithm of the sum."""
    return x.sum(-1).log()


@primitive(
    *_UNITS,
    formula="middle value of the units; if the number of units is even, the mean of the two middle values",
    **_MIDDLE,
)
def median(x: Tensor) -> Tensor:
    """``u`` to a number: the median."""
    ordered, units = x.sort(-1).values, x.shape[-1]
    middle = ordered[..., (units - 1) // 2] / 2 + ordered[..., units // 2] / 2
    return torch.where(ordered[..., -1].isnan(), torch.nan, middle)  # NaN is sorted to the end


@primitive(*_UNITS, formula="x of the first unit", latex="{0}_1", **_MIDDLE)
def first(x: Tensor) -> Tensor:
    """``u`` to a number: the first unit's."""
    return x[..., 0].clone()


@primitive(*_UNITS, formula="x of the last unit", latex="{0}_u", **_MIDDLE)
def last(x: Tensor) -> Tensor:
    """``u`` to a number: the last unit's."""
    return x[..., -1].clone()


@primitive(
    *_UNITS,
    formula="root of the sum of x^2 over units",
    latex=r"\lVert {0} \rVert_2",
    nonnegative="always",
    ignores=("abs", "neg"),
)
def l2_norm(x: Tensor) -> Tensor:
    """``u`` to a number: the Euclidean norm."""
    return x.square().sum(-1).sqrt()


@primitive(
    *_UNITS,
    formula="mean of |x_(i+1) - x_i| over all units i except the last one",
    domain="0 for one unit; NaN if two neighbouring units have the same infinity",
    nonnegative="always",
    ignores_size=True,
)
def mean_abs_difference(x: Tensor) -> Tensor:
    """``u`` to a number: the mean absolute step along depth."""
    # The first unit is compared with itself: that adds 0, or NaN where it is undefined.
    before = torch.cat([x[..., :1], x[..., :-1]], dim=-1)
    return (x - before).abs().sum(-1) / max(x.shape[-1] - 1, 1)


@primitive(
    *_UNITS,
    formula="slope of the least-squares line of x against the index of the unit",
    domain="0 for one unit; NaN where a unit is not finite",
    ignores_size=True,
)
def slope(x: Tensor) -> Tensor:
    """``u`` to a number: the trend along depth, for each unit further."""
    units = x.shape[-1]
    index = torch.arange(units, dtype=x.dtype, device=x.device) - (units - 1) / 2
    return (x * index).sum(-1) / index.square().sum().clamp_min(0.5)


@primitive(
    *_UNITS,
    formula="number of units",
    domain="everywhere; counts NaN too",
    latex="u",
    nonnegative="always",
    shape_only=True,
    ignores=(*KEEP_SHAPE, "depth_difference", "cumulative_sum"),
    draw_weight=0.1,
)
def count(x: Tensor) -> Tensor:
    """``u`` to a number: how many units there are."""
    return x.new_full(x.shape[:-1], x.shape[-1])
