"""Functions of matrices: each ``h x w`` map is read as one matrix.

If the result for a map is one number, it takes the place of the map, as a map of ``1 x 1``. A ``1 x 1`` map is a matrix
of one entry. All other maps of one row or one column, such as the ``t x 1`` maps of t tokens, are read together: for
each sample (each filter of a weight), they are the columns of one ``t x c`` matrix, tokens by channels. A primitive
that turns a matrix into one number then returns one number for each sample, in the shape ``b x 1 x 1 x 1``.

If a matrix is not square, its singular values take the place of eigenvalues. Its determinant is then the product of its
singular values, which is the root of the determinant of the smaller Gram matrix. A matrix with an entry that is not
finite gives NaN.
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


def _is_square(x: Tensor) -> bool:
    return x.shape[-2] == x.shape[-1]


def _matrices(x: Tensor) -> Tensor:
    # Maps of one row or one column are the columns of one t x c matrix.
    if x.dim() < 5 or 1 not in x.shape[-2:]:  # noqa: PLR2004
        return x
    matrices: Tensor = x.flatten(-2).mT[..., None, :, :]
    return matrices


def _gram(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smaller Gram matrices of maps that are not square, in float64 with entries 0 for others than finite.

    The second tensor is 0 where a matrix is finite, else NaN.
    """
    matrices = _matrices(x)
    broken = _zero_or_nan(matrices)
    wide = matrices.double().nan_to_num(0.0, 0.0, 0.0)
    return (wide @ wide.mT if wide.shape[-2] <= wide.shape[-1] else wide.mT @ wide), broken


def _pivots(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sizes of the pivots, where they show a singular matrix, and where the determinant is negative."""
    size = x.shape[-1]
    if size == 1:  # each entry is its own pivot
        sizes = x[..., 0].abs()
        return sizes, (sizes <= torch.finfo(x.dtype).eps * sizes)[..., 0], x[..., 0, 0] < 0
    factors, swaps, _ = torch.linalg.lu_factor_ex(x)
    pivots = factors.diagonal(dim1=-2, dim2=-1)
    sizes = pivots.abs()
    singular = sizes.amin(-1) <= size * torch.finfo(x.dtype).eps * sizes.amax(-1)
    rows = torch.arange(1, size + 1, dtype=swaps.dtype, device=swaps.device)
    return sizes, singular, ((swaps != rows).sum(-1) + (pivots < 0).sum(-1)) % 2 == 1


def _singular_ratio(x: Tensor) -> Tensor:
    gram, broken = _gram(x)
    values = torch.linalg.eigvalsh(gram)
    rounding = gram.shape[-1] * torch.finfo(gram.dtype).eps * values.amax(-1, keepdim=True)
    values = torch.where(values <= rounding, 0.0, values).sqrt()
    return (values.amax(-1) / values.amin(-1))[..., None, None].to(x.dtype) + broken


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
    formula="determinant of each map; if the map is not square, the product of its singular values",
    domain="NaN where a map is not finite",
    source="[EZNAS]",
    latex=r"\det\left({0}\right)",
    price=2.0,
)
def det(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the determinant."""
    if not _is_square(x):
        gram, broken = _gram(x)
        product: Tensor = torch.linalg.det(gram).clamp_min(0).sqrt()[..., None, None].to(x.dtype)
        return product + broken
    value = torch.linalg.det(x)
    value = torch.where(value.isnan(), 0.0, value)  # a zero pivot may leave NaN behind: singular
    return value[..., None, None] + _zero_or_nan(x)


@primitive(
    *_MAPS,
    formula="log of the determinant of each map if the determinant is positive, else 0",
    domain="0 where a map counts as singular; NaN where a map is not finite. Let M be the map or, if the map is not "
    "square, its smaller Gram matrix. The map counts as singular if the least |pivot| of the LU decomposition of M is "
    "at most n e times the greatest |pivot|, where n is the number of rows of M and e the machine epsilon",
    source="[EZNAS], whose released code gets NaN for a singular map and replaces NaN by 0",
    latex=r"\log\det\left({0}\right)",
    price=2.0,
)
def logdet(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the log-determinant.

    Most sign maps of gradients are singular, and rounding decides whether their determinant comes out as 0 or as a
    small number of either sign. So a map counts as singular as soon as a pivot is at the level of rounding.
    """
    if not _is_square(x):
        gram, broken = _gram(x)
        sizes, singular, odd = _pivots(gram)
        value = sizes.log().sum(-1) / 2
        return torch.where(singular | odd | value.isnan(), 0.0, value)[..., None, None].to(x.dtype) + broken
    sizes, singular, odd = _pivots(x)
    value = sizes.log().sum(-1)
    # a zero pivot may leave NaN behind
    return torch.where(singular | odd | value.isnan(), 0.0, value)[..., None, None] + _zero_or_nan(x)


@primitive(
    *_MAPS,
    formula="for each map A, the greatest |eigenvalue| of (A + A^T) / 2 divided by the least |eigenvalue| of (A + "
    "A^T) / 2; if A is not square, the greatest singular value of A divided by the least singular value of A",
    domain="infinity where A + A^T is singular, NaN where A + A^T is 0 or not finite",
    source="[EZNAS], which computes this ratio only for Gram matrices of samples; for these, write "
    "condition_number(gram(x))",
    eigenvalues=True,
    price=2.0,
    draw_weight=0.1,
)
def sym_eig_ratio(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the eigenvalue ratio of the symmetric part."""
    if not _is_square(x):
        return _singular_ratio(x)
    maps = _scaled(x)
    return _extreme_ratio(torch.linalg.eigvalsh((maps + maps.mT) / 2), x)


@primitive(
    *_MAPS,
    formula="for each map A, the greatest |eigenvalue| of A divided by the least |eigenvalue| of A; if A is not "
    "square, the greatest singular value of A divided by the least singular value of A",
    domain="infinity where A is singular, NaN where A is 0 or not finite",
    source="[EZNAS], which computes this ratio only for Gram matrices of samples; for these, write "
    "condition_number(gram(x))",
    eigenvalues=True,
    price=2.0,
    draw_weight=0.1,
)
def eig_ratio(x: Tensor) -> Tensor:
    """``u x a x c x h x h`` to ``u x a x c x 1 x 1``: the eigenvalue ratio; slow on large maps."""
    if not _is_square(x):
        return _singular_ratio(x)
    return _extreme_ratio(torch.linalg.eigvals(_scaled(x)), x)


@primitive(
    *keeping(TENSOR_KINDS, arity=2),
    formula="A B for each pair of square maps A and B, or A B^T B if the maps are not square. If one of the maps is 1 "
    "x 1, its entry first fills a map of the size of the other one",
    source="[EZNAS]",
    latex=r"{0} \cdot {1}",
    price=2.0,
)
def matmul(x: Tensor, y: Tensor) -> Tensor:
    """``u x *s x h x w`` twice to ``u x *s x h x w``: the matrix product, broadcast first.

    Maps that are not square have no product of their own shape. The product with the Gram matrix of the second one
    has: for tokens, it is attention without softmax, with keys and values ``y``.
    """
    rows, columns = (max(x.shape[axis], y.shape[axis]) for axis in (-2, -1))
    if rows == columns:
        return x.expand(*x.shape[:-2], rows, rows) @ y.expand(*y.shape[:-2], rows, rows)
    shape = tuple(map(max, x.shape, y.shape))
    left, right = (_matrices(side.expand(shape)) for side in (x, y))
    product = left @ (right.mT @ right) if left.shape[-1] <= left.shape[-2] else (left @ right.mT) @ right
    return product.squeeze(-3).mT.reshape(shape) if left.shape != shape else product
