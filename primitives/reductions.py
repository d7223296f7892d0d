"""Reductions: functions that turn all entries of a tensor on a unit into one number for this unit.

Sums run in the tensor's own precision; a sum that exceeds the largest representable number is infinite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.elementwise import KEEP_SHAPE
from eznas.primitives.kinds import TENSOR_KINDS, Kind
from eznas.primitives.records import Parameter
from eznas.primitives.registry import primitive, reducing
from eznas.primitives.special_values import powered

_UNIT = reducing(TENSOR_KINDS, Kind.UNIT)
_MIDDLE = {"nonnegative": "if arguments are", "ignores_size": True}
_MAGNITUDE = {"nonnegative": "always", "ignores": ("abs", "neg")}
_SIGNS = {"domain": "everywhere; NaN is not above 0", "nonnegative": "always", "ignores": ("relu", "sign", "gt0")}
_SPREAD = {
    "domain": "exactly 0 where all entries are equal; NaN where an entry is not finite",
    "nonnegative": "always",
    "ignores_size": True,
    "ignores": ("neg",),
}


def _axes(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.dim()))


def _centred(x: Tensor) -> Tensor:
    axes = _axes(x)
    # The clamp makes the mean of equal values exactly that value, so that they vary by exactly 0.
    return x - x.mean(axes, keepdim=True).clamp(x.amin(axes, keepdim=True), x.amax(axes, keepdim=True))


@primitive(
    *_UNIT,
    formula="sum of x",
    latex=r"\sum {0}",
    nonnegative="if arguments are",
    rules=("sum(abs(x)) = sum_abs(x)", "sum(mul(x, y)) = dot(x, y)"),
)
def sum_(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the sum."""
    return x.sum(_axes(x))


@primitive(
    *_UNIT,
    formula="mean of x",
    latex=r"\overline{{{0}}}",
    rules=("mean(abs(x)) = l1(x)", "mean(square(x)) = mean_square(x)"),
    **_MIDDLE,
)
def mean(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the mean."""
    return x.mean(_axes(x))


@primitive(*_UNIT, formula="greatest x", latex=r"\max {0}", **_MIDDLE)
def max_(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the greatest entry."""
    return x.amax(_axes(x))


@primitive(*_UNIT, formula="least x", latex=r"\min {0}", **_MIDDLE)
def min_(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the least entry."""
    return x.amin(_axes(x))


@primitive(
    *_UNIT,
    formula="mean of (x - mean of x)^2, with the denominator n",
    latex=r"\operatorname{{var}}\left({0}\right)",
    **_SPREAD,
)
def variance(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the population variance."""
    return _centred(x).square_().mean(_axes(x))


@primitive(
    *_UNIT,
    formula="root of the variance, which has the denominator n",
    latex=r"\operatorname{{std}}\left({0}\right)",
    **_SPREAD,
)
def std(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the population standard deviation."""
    return _centred(x).square_().mean(_axes(x)).sqrt()


@primitive(*_UNIT, formula="mean of |x|", source="[EZNAS]", ignores_size=True, **_MAGNITUDE)
def l1(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the mean absolute value."""
    return x.abs().mean(_axes(x))


@primitive(*_UNIT, formula="sum of |x|", latex=r"\lVert {0} \rVert_1", **_MAGNITUDE)
def sum_abs(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the sum of absolute values."""
    return x.abs().sum(_axes(x))


@primitive(*_UNIT, formula="root of the sum of x^2", latex=r"\lVert {0} \rVert_F", **_MAGNITUDE)
def frobenius_norm(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the Frobenius (Euclidean) norm."""
    # Pairwise summation: a hundred times more accurate in float32 than torch.linalg.vector_norm.
    return x.square().sum(_axes(x)).sqrt()


@primitive(*_UNIT, formula="mean of x^2", latex=r"\overline{{\left({0}\right)^2}}", ignores_size=True, **_MAGNITUDE)
def mean_square(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the mean of squares."""
    return x.square().mean(_axes(x))


@primitive(
    *reducing(TENSOR_KINDS, Kind.UNIT, literal=True),
    formula="(sum of |x|^p)^(1/p), where p is the order",
    latex=r"\lVert {0} \rVert_{{{1}}}",
    parameter=Parameter("order", choices=(0.5, 3.0, 4.0), low=0.1, high=16.0),
    **_MAGNITUDE,
)
def lp_norm(x: Tensor, p: float) -> Tensor:
    """``u x *s`` to ``u``: the norm of order ``p`` (a quasi-norm below 1)."""
    return powered(powered(x.abs(), p).sum(_axes(x)), 1 / p)


@primitive(
    *_UNIT,
    formula="number of entries",
    domain="everywhere; counts NaN too",
    nonnegative="always",
    shape_only=True,
    ignores=KEEP_SHAPE,
    draw_weight=0.1,
)
def numel(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the number of entries."""
    return x.new_full((x.shape[0],), x[0].numel())


@primitive(
    *_UNIT,
    formula="fraction of entries that are exactly 0",
    domain="everywhere; NaN is not 0",
    ignores_size=True,
    **_MAGNITUDE,
)
def sparsity(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the fraction of exact zeros."""
    return torch.eq(x, 0, out=x.new_empty(0)).mean(_axes(x))


@primitive(*_UNIT, formula="fraction of entries above 0", **_SIGNS)
def fraction_positive(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the fraction of positive entries."""
    return torch.gt(x, 0, out=x.new_empty(0)).mean(_axes(x))


@primitive(*_UNIT, formula="number of entries above 0", **_SIGNS)
def count_positive(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the number of positive entries."""
    return torch.gt(x, 0, out=x.new_empty(0)).sum(_axes(x))


@primitive(
    *_UNIT,
    formula="-(sum of p log p), where p = |x| / (sum of |x|)",
    domain="0 where all entries are 0; NaN where the sum of |x| is infinite",
    source="Shannon, A Mathematical Theory of Communication, 1948",
    ignores=("abs", "neg"),
)
def entropy(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the entropy, in nats, of how the absolute values are shared out."""
    axes = _axes(x)
    total = x.abs().sum(axes, keepdim=True)
    share = x.abs().div_(torch.where(total == 0, 1.0, torch.where(total.isinf(), torch.nan, total)))
    # The least normal number stands in for 0 inside the logarithm only; 0 log 0 counts as 0.
    return (share.clamp_min(torch.finfo(x.dtype).tiny).log_().mul_(share)).sum(axes).neg_()


@primitive(
    *reducing(TENSOR_KINDS, Kind.UNIT, literal=True),
    formula="the value below which the given fraction of the entries lies; between two neighbours among the sorted "
    "entries, it is interpolated linearly",
    domain="an infinity if one of the two neighbours is infinite; NaN if the neighbours are infinities of opposite "
    "sign",
    parameter=Parameter("fraction", choices=(0.1, 0.5, 0.9), low=0.0, high=1.0),
)
def quantile(x: Tensor, q: float) -> Tensor:
    """``u x *s`` to ``u``: the quantile; without the limit on size that ``torch.quantile`` has."""
    entries = x.flatten(1)
    position = q * (entries.shape[1] - 1)
    below = int(position)
    value = entries.kthvalue(below + 1, 1).values
    if position > below:
        greater = entries > value[:, None]
        # the same number again where it is there more than once
        again = entries.shape[1] - greater.sum(1) > below + 1
        above = torch.where(again, value, torch.where(greater, entries, torch.inf).amin(1))
        finite = value.isfinite() & above.isfinite()
        value = torch.where(finite, value.lerp(above, position - below), value + above)
    return torch.where(entries.isnan().any(1), torch.nan, value)
