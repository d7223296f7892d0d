"""Products, similarities and distances of two tensors of the same kind, which are broadcast against each other."""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import MAP_KINDS, TENSOR_KINDS, Kind
from eznas.primitives.registry import keeping, primitive, reducing
from eznas.primitives.special_values import times_log

_UNIT = reducing(TENSOR_KINDS, Kind.UNIT, arity=2)
_PRODUCT = {"commutative": True, "nonnegative": "if arguments are", "price": 0.3}


def _axes(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.dim()))


@primitive(*_UNIT, formula="sum of x y", **_PRODUCT)
def dot(x: Tensor, y: Tensor) -> Tensor:
    """``u x *s`` twice to ``u``: the scalar product."""
    return (x * y).sum(_axes(x))


@primitive(*keeping(MAP_KINDS, arity=2), formula="sum of x y over space", **_PRODUCT)
def channel_dot(x: Tensor, y: Tensor) -> Tensor:
    """``u x a x c x h x w`` twice to ``u x a x c x 1 x 1``: the scalar product of each pair of maps."""
    return (x * y).sum((3, 4), keepdim=True)


@primitive(
    *_UNIT,
    formula="(sum of x y) / (a b), where a is the root of the sum of x^2, and b the root of the sum of y^2",
    domain="0 where all entries of x or all entries of y are 0; NaN where an entry is not finite",
    source="[EZNAS], which computes a cosine for each sample and adds these cosines",
    latex=r"\cos\left({0}, {1}\right)",
    commutative=True,
    price=0.3,
)
def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """``u x *s`` twice to ``u``: the cosine of the angle between the two, flattened."""
    axes, product = _axes(x), x * y
    left = x.square().expand_as(product).sum(axes).sqrt()
    right = y.square().expand_as(product).sum(axes).sqrt()
    lengths = left * right
    return product.sum(axes) / torch.where(lengths == 0, 1.0, lengths)


@primitive(
    *_UNIT,
    formula="number of entries at which exactly one of x and y is above 0",
    domain="everywhere; NaN counts as not above 0",
    source="[EZNAS]",
    commutative=True,
    nonnegative="always",
    price=0.3,
)
def hamming_distance(x: Tensor, y: Tensor) -> Tensor:
    """``u x *s`` twice to ``u``: the Hamming distance of the binary codes."""
    left, right = (torch.gt(side, 0, out=side.new_empty(0)) for side in (x, y))
    return (left - right).square_().sum(_axes(x))


@primitive(
    *_UNIT,
    formula="(sum of (y log y - x y)) / n, where n is the length of the first axis after the units, and 0 log 0 counts "
    "as 0",
    domain="NaN where y is negative, where y is infinite and x is 0 or positive, where y is 0 and x is infinite, or "
    "where some terms of the sum are plus infinity and others minus infinity",
    source="[EZNAS], which takes x for a log-probability and y for a probability",
    latex=r"D_{{\mathrm{{KL}}}}\left({1} \,\middle\|\, e^{{{0}}}\right)",
    price=0.3,
)
def kl_div(x: Tensor, y: Tensor) -> Tensor:
    """``u x n x *s`` twice to ``u``: the mean Kullback-Leibler divergence of the ``n`` samples or filters."""
    terms: Tensor = times_log(y) - y * x
    return terms.sum(_axes(x)) / terms.shape[1]
