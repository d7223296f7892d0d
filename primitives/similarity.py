"""Matrices over pairs of samples, and reductions of these matrices.

``x_i`` is the vector of all ``d = c h w`` entries of sample i, and ``K_ij`` is an entry of the matrix of the result.
Products of floats accumulate in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import BATCH_KINDS, Kind
from eznas.primitives.registry import primitive, reducing

_SAMPLES = reducing(BATCH_KINDS, Kind.SAMPLES)
_UNIT = reducing([Kind.SAMPLES], Kind.UNIT)


def _products(rows: Tensor) -> Tensor:
    samples = rows.shape[1]
    total = torch.zeros((rows.shape[0], samples, samples), dtype=torch.float64, device=rows.device)
    for start in range(0, rows.shape[2], 4096):  # keeps the float64 copy small
        wide = rows[:, :, start : start + 4096].double()
        total.baddbmm_(wide, wide.mT)
    return total


@primitive(
    *_SAMPLES,
    formula="K_ij = (x_i . x_j) / d, where d is the number of entries of a sample",
    latex=r"\tfrac{{1}}{{d}} {0} {0}^{{\top}}",
    nonnegative="if arguments are",
    ignores=("neg",),
    price=0.3,
)
def gram(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x b x b``: the mean products of the samples."""
    rows = x.flatten(2)
    return (_products(rows) / rows.shape[2]).to(x.dtype)


@primitive(
    *_SAMPLES,
    formula="K_ij = Pearson correlation of x_i and x_j",
    domain="0 in the row and column of a constant sample; NaN in the row and column of a sample that is not finite",
    price=0.3,
)
def correlation(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x b x b``: the correlations of the samples."""
    rows = x.flatten(2)
    # The clamp makes the mean of equal values exactly that value, so that a constant sample is known as such.
    mean = rows.mean(2, keepdim=True).clamp(rows.amin(2, keepdim=True), rows.amax(2, keepdim=True))
    products = _products(rows - mean)
    deviations = products.diagonal(dim1=1, dim2=2).sqrt()
    scales = torch.where(deviations == 0, 1.0, deviations)
    return (products / scales[:, :, None] / scales[:, None, :]).to(x.dtype)


@primitive(
    *_SAMPLES,
    formula="K_ij = number of entries that are above 0 in both x_i and x_j or in neither",
    domain="everywhere; NaN counts as not above 0",
    source="Mellor et al., Neural Architecture Search without Training, ICML 2021",
    nonnegative="always",
    ignores=("relu", "sign", "gt0"),
    price=0.3,
)
def sign_kernel(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x b x b``: the agreement of binary codes, one unit's NASWOT kernel."""
    rows = x.flatten(2)
    codes = torch.gt(rows, 0, out=x.new_empty(0)).mul_(2).sub_(1)
    # Products of +1 and -1 are exact in float32 up to 2^24 entries: agreements minus disagreements.
    return (codes @ codes.mT).add_(rows.shape[2]).div_(2)


@primitive(
    *_UNIT,
    formula="sum of K_ii, where K is the matrix x",
    latex=r"\operatorname{{tr}} {0}",
    nonnegative="if arguments are",
    price=0.3,
)
def trace(x: Tensor) -> Tensor:
    """``u x b x b`` to ``u``: the trace."""
    return x.diagonal(dim1=1, dim2=2).sum(1)


@primitive(
    *_UNIT, formula="mean of K_ij over i != j, where K is the matrix x", domain="0 for a single sample", price=0.3
)
def off_diagonal_mean(x: Tensor) -> Tensor:
    """``u x b x b`` to ``u``: the mean over pairs of different samples."""
    samples = x.shape[1]
    diagonal = torch.eye(samples, dtype=torch.bool, device=x.device)
    return torch.where(diagonal, 0.0, x).sum((1, 2)) / max(samples * (samples - 1), 1)
