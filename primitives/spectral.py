"""Reductions that read the singular values or eigenvalues of a unit's matrix, computed in float64.

The matrix of a unit has one row for each index of the first axis after the units, and one column for each combination
of the other indices: ``c_out x (c_in k k)`` for weights, ``b x (c h w)`` for inputs, outputs and images, ``b x b`` for
samples. eznas computes the singular values as the roots of the eigenvalues of the smaller Gram matrix. This method is
exact to about 1e-8 of the greatest singular value. If one side of the matrix is much longer than the other, the method
is several times faster than a singular value decomposition. Some matrices with at least 1,024 rows and columns have a
rank of at most 64, such as gradients of wide linear layers. eznas first replaces such a matrix by a matrix that has
only 64 rows and the same singular values, apart from zeros. This step drops singular values that come from rounding to
single precision, and changes the effective rank by about 1e-5 of its value.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import TENSOR_KINDS, Kind
from eznas.primitives.records import Parameter
from eznas.primitives.registry import primitive, reducing

_UNIT = reducing(TENSOR_KINDS, Kind.UNIT)
_SAMPLES = reducing([Kind.SAMPLES], Kind.UNIT)
_SINGULAR_VALUES = {"nonnegative": "always", "ignores": ("neg",), "price": 0.3}


WIDE = 1024
"""The least side of a matrix that is tested for a low rank."""
RANK = 64
"""The greatest low rank."""
_COLUMNS = 4096
"""Columns of a copy in double precision."""


def _low_rank(matrix: Tensor) -> Tensor:
    """Return a matrix ``1 x RANK x c`` with the singular values other than 0 of one whose rank is low, or the matrix.

    Gradients of a wide linear layer have at most one rank for each sample and position. The rank counts as low if the
    squares that a basis of random combinations of the columns leaves are within the rounding of a Gram matrix.
    """
    rows, columns = matrix.shape[1:]
    generator = torch.Generator().manual_seed(0)
    combined = torch.zeros((1, rows, RANK), dtype=torch.float64, device=matrix.device)
    for start in range(0, columns, _COLUMNS):
        wide = matrix[:, :, start : start + _COLUMNS].double()
        draws = torch.randn((wide.shape[2], RANK), generator=generator, dtype=torch.float64)
        combined += wide @ draws.to(matrix.device)
    if not bool(combined.isfinite().all()):
        return matrix
    basis = torch.linalg.qr(combined).Q
    parts, total = [], torch.zeros((), dtype=torch.float64, device=matrix.device)
    for start in range(0, columns, _COLUMNS):
        wide = matrix[:, :, start : start + _COLUMNS].double()
        parts.append(basis.mT @ wide)
        total += (wide - basis @ parts[-1]).square().sum()
    small = torch.cat(parts, 2)
    rounding = rows * torch.finfo(torch.float64).eps * small.square().sum()
    return small if bool(total <= rounding) else matrix


def _squared_singular_values(x: Tensor) -> Tensor:
    matrix = x.flatten(2)
    if matrix.shape[1] > matrix.shape[2]:
        matrix = matrix.mT
    if matrix.shape[1] >= WIDE:
        if len(matrix) > 1:
            single = [_squared_singular_values(unit[None]) for unit in matrix]
            most = max(values.shape[1] for values in single)
            return torch.cat([torch.nn.functional.pad(values, (most - values.shape[1], 0)) for values in single])
        matrix = _low_rank(matrix)
    rows = matrix.shape[1]
    gram = torch.zeros((matrix.shape[0], rows, rows), dtype=torch.float64, device=x.device)
    for start in range(0, matrix.shape[2], _COLUMNS):  # keeps the float64 copy small
        wide = matrix[:, :, start : start + _COLUMNS].double()
        gram.baddbmm_(wide, wide.mT)
    broken = (gram * 0).sum((1, 2), keepdim=True)  # 0, or NaN where an entry is not finite
    eigenvalues: Tensor = torch.linalg.eigvalsh(gram.nan_to_num(0.0, 0.0, 0.0))
    return eigenvalues.clamp_min(0) + broken.squeeze(2)


@primitive(
    *_UNIT,
    formula="exp of the entropy of p, where p holds the singular values divided by their sum",
    domain="0 for a zero matrix; NaN where an entry is not finite",
    source="Roy and Vetterli, The effective rank: a measure of effective dimensionality, EUSIPCO 2007",
    **_SINGULAR_VALUES,
)
def effective_rank(x: Tensor) -> Tensor:
    """``u x n x *s`` to ``u``: the effective rank, from 1 to the smaller side of the matrix."""
    values = _squared_singular_values(x).sqrt()
    total = values.sum(1)
    share = values / torch.where(total == 0, 1.0, total)[:, None]
    rank = torch.special.entr(share).sum(1).exp()
    return torch.where(total == 0, 0.0, rank).to(x.dtype)


@primitive(
    *_UNIT,
    formula="sum of the squared singular values, divided by the greatest squared singular value",
    domain="0 for a zero matrix; NaN where an entry is not finite",
    source="Rudelson and Vershynin, Sampling from large matrices, J. ACM 2007",
    **_SINGULAR_VALUES,
)
def stable_rank(x: Tensor) -> Tensor:
    """``u x n x *s`` to ``u``: the stable rank, from 1 to the smaller side of the matrix."""
    values = _squared_singular_values(x)
    greatest = values[:, -1]
    return (values.sum(1) / torch.where(greatest == 0, 1.0, greatest)).to(x.dtype)


@primitive(
    *_UNIT,
    formula="sum of the singular values",
    domain="NaN where an entry is not finite",
    latex=r"\lVert {0} \rVert_*",
    **_SINGULAR_VALUES,
)
def nuclear_norm(x: Tensor) -> Tensor:
    """``u x n x *s`` to ``u``: the nuclear norm."""
    return _squared_singular_values(x).sqrt().sum(1).to(x.dtype)


@primitive(
    *_UNIT,
    formula="greatest singular value",
    domain="NaN where an entry is not finite",
    latex=r"\lVert {0} \rVert_2",
    **_SINGULAR_VALUES,
)
def spectral_norm(x: Tensor) -> Tensor:
    """``u x n x *s`` to ``u``: the spectral norm."""
    return _squared_singular_values(x)[:, -1].sqrt().to(x.dtype)


def _log_abs_det(matrix: Tensor) -> Tensor:
    value: Tensor = torch.linalg.slogdet(matrix).logabsdet
    value = value.nan_to_num(-torch.inf, torch.inf, -torch.inf)  # a zero pivot may leave NaN behind: singular
    return value + (matrix * 0).sum((1, 2))


@primitive(
    *_SAMPLES,
    name="logdet",
    formula="log |det K|, where K is the matrix x",
    domain="minus infinity where K is singular, or a value there that rounding determines; NaN where K is not finite",
    source="Mellor et al., Neural Architecture Search without Training, ICML 2021, for a sign_kernel",
    latex=r"\log\lvert\det {0} \rvert",
    price=0.3,
)
def samples_logdet(x: Tensor) -> Tensor:
    """``u x b x b`` to ``u``: the log-determinant."""
    return _log_abs_det(x.double()).to(x.dtype)


@primitive(
    *reducing([Kind.SAMPLES], Kind.UNIT, literal=True),
    formula="log |det(K + e I)|, where K is the matrix x, I the identity and e the jitter",
    domain="NaN where K is not finite",
    latex=r"\log\lvert\det\left({0} + {1} I\right)\rvert",
    parameter=Parameter("jitter", choices=(1e-6, 1e-3, 1.0), low=1e-12, high=1e6),
    price=0.3,
)
def logdet_jitter(x: Tensor, e: float) -> Tensor:
    """``u x b x b`` to ``u``: the log-determinant with ``e`` added to the diagonal."""
    matrix = x.double()
    return _log_abs_det(matrix + e * torch.eye(matrix.shape[1], dtype=matrix.dtype, device=x.device)).to(x.dtype)


@primitive(
    *_SAMPLES,
    formula="greatest |eigenvalue| of M divided by the least |eigenvalue| of M, where M = (K + K^T) / 2 and K is the "
    "matrix x",
    domain="infinity where K is singular, or a large number there because of rounding; NaN where K is 0 or not finite",
    price=0.3,
)
def condition_number(x: Tensor) -> Tensor:
    """``u x b x b`` to ``u``: the condition number."""
    matrix = x.double()
    symmetric = (matrix / 2 + matrix.mT / 2).nan_to_num(0.0, 0.0, 0.0)
    sizes: Tensor = torch.linalg.eigvalsh(symmetric).abs()
    return (sizes.amax(1) / sizes.amin(1) + (matrix * 0).sum((1, 2))).to(x.dtype)
