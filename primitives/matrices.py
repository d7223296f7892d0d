"""Matrix functions of the trailing maps, each ``h x w`` map read as one matrix.

The result is NaN where maps are not square. A number for each map stays in its kind, as a map of ``1 x 1``; such
reduced maps are matrices of one entry. A map with an entry that is not finite gives NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import MAP_KINDS, TENSOR_KINDS
from eznas.primitives.registry import keeping, primitive

_MAPS = keeping(MAP_KINDS)


def _zero_or_nan(x: Tensor) -> Tensor:
    # Of each map: 0 where it is finite, else NaN; cheaper than asking every entry.
    return (x * 0).sum((-2, -1), keepdim=True)


def _undefined(x: Tensor) -> Tensor:
    return x.new_full((*x.shape[:-2], 1, 1), torch.nan)


def _scaled(x: Tensor) -> Tensor:
    # In float64, with entries of at most 1, so that the eigenvalue iteration can neither overflow nor fail.
    maps = x.double().nan_to_num(0.0, 0.0, 0.0)
    largest = maps.abs().amax((-2, -1), keepdim=True)
    return maps / torch.where(largest == 0, 1.0, largest)


def _extreme_ratio(eigenvalues: Tensor, x: Tensor) -> Tensor:
    sizes = eigenvalues.abs()
    return (sizes.amax(-1) / sizes.amin(-1))[..., None, None].to(x.dtype) + _zero_or_nan(x)


@primitive(
    *_MAPS,
    formula="determinant of each map",
    domain="NaN where maps are not square or not finite",
    source="[EZNAS]",
    latex=r"\det\left({0}\right)",
    price=2.0,
)
def det(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the determinant."""
    if x.shape[-2] != x.shape[-1]:
        return _undefined(x)
    value = torch.linalg.det(x)
    value = torch.where(value.isnan(), 0.0, value)  # a zero pivot may leave NaN behind: singular
    return value[..., None, None] + _zero_or_nan(x)


@primitive(
    *_MAPS,
    formula="log of the determinant of each map where that is positive; 0 where it is not",
    domain="0 also where a pivot is at most h eps times the largest; NaN where maps are not square or not finite",
    source="[EZNAS], whose released code turns the NaN of a singular map into 0",
    latex=r"\log\det\left({0}\right)",
    price=2.0,
)
def logdet(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the log-determinant.

    Most sign maps of gradients are singular, and rounding decides whether their determinant comes out as 0 or as a
    small number of either sign. So a map counts as singular as soon as a pivot is at the level of rounding.
    """
    if x.shape[-2] != x.shape[-1]:
        return _undefined(x)
    size = x.shape[-1]
    factors, swaps, _ = torch.linalg.lu_factor_ex(x)
    pivots = factors.diagonal(dim1=-2, dim2=-1)
    sizes = pivots.abs()
    singular = sizes.amin(-1) <= size * torch.finfo(x.dtype).eps * sizes.amax(-1)
    rows = torch.arange(1, size + 1, dtype=swaps.dtype, device=swaps.device)
    odd = ((swaps != rows).sum(-1) + (pivots < 0).sum(-1)) % 2 == 1
    value = sizes.log().sum(-1)
    # a zero pivot may leave NaN behind
    return torch.where(singular | odd | value.isnan(), 0.0, value)[..., None, None] + _zero_or_nan(x)


@primitive(
    *_MAPS,
    formula="greatest over least |eigenvalue| of (A + A^T) / 2 for each map A",
    domain="infinity where A + A^T is singular, NaN where it is 0, not square or not finite",
    source="[EZNAS], which takes the ratio for a Gram matrix; that is condition_number(gram(x))",
    price=2.0,
    draw_weight=0.1,
)
def sym_eig_ratio(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the eigenvalue ratio of the symmetric part."""
    if x.shape[-2] != x.shape[-1]:
        return _undefined(x)
    maps = _scaled(x)
    return _extreme_ratio(torch.linalg.eigvalsh((maps + maps.mT) / 2), x)


@primitive(
    *_MAPS,
    formula="greatest over least |eigenvalue| of each map",
    domain="infinity where the map is singular, NaN where it is 0, not square or not finite",
    source="[EZNAS], which takes the ratio for a Gram matrix; that is condition_number(gram(x))",
    price=2.0,
    draw_weight=0.1,
)
def eig_ratio(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the eigenvalue ratio; slow on large maps."""
    if x.shape[-2] != x.shape[-1]:
        return _undefined(x)
    return _extreme_ratio(torch.linalg.eigvals(_scaled(x)), x)


@primitive(
    *keeping(TENSOR_KINDS, arity=2),
    formula="A B for each pair of maps A, B; a map that is reduced to one entry counts as constant",
    domain="NaN where maps are not square",
    source="[EZNAS]",
    latex=r"{0} \cdot {1}",
    price=2.0,
)
def matmul(x: Tensor, y: Tensor) -> Tensor:
    """``u x *s x h x h`` twice to ``u x *s x h x h``: the matrix product, broadcast first."""
    rows, columns = (max(x.shape[axis], y.shape[axis]) for axis in (-2, -1))
    if rows != columns:
        return x * y * torch.nan
    return x.expand(*x.shape[:-2], rows, rows) @ y.expand(*y.shape[:-2], rows, rows)
