"""Principal components of the hidden states of feed-forward blocks, weighted with the number of parameters.

References:
    [WPCA] Wang. W-PCA Based Gradient-Free Proxy for Efficient Search of Lightweight Language Models. ICLR 2025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import spectrum

if TYPE_CHECKING:
    from eznas.passes.sizes import Sizes

VARIANCE = 0.99
"""The share of the variance that the components explain, as in the paper."""

_PAPER = "Wang et al., W-PCA, ICLR 2025"
_COUNT = (
    "sum of n over feed-forward blocks. n is the least number of principal components that together explain more than "
    ".99 of the variance of a matrix: the outputs of the block's first layer, with a row for each token and a column "
    "for each channel"
)


def _seconds(sizes: Sizes) -> float:
    return sum(spectrum(sizes.images * positions, channels) for positions, channels in sizes.hidden)


@measure_from_passes("roles", paper=_PAPER, formula=_COUNT, seconds=_seconds)
def v_pca(passes: NetworkPasses) -> float:
    """Return the paper's vanilla PCA: the numbers of principal components of hidden states in front of activations.

    Raises:
        NoUnitsError: The network runs no feed-forward block.
        UndefinedError: A layer's outputs are constant.
    """
    return _components(passes)


@measure_from_passes("roles", paper=_PAPER, formula="number of parameters times v_pca", seconds=_seconds)
def w_pca(passes: NetworkPasses) -> float:
    """Return the number of parameters times ``v_pca``.

    Raises:
        NoUnitsError: The network runs no feed-forward block.
        UndefinedError: A layer's outputs are constant.
    """
    parameters = sum(parameter.numel() for parameter in passes.network.parameters())
    return parameters * _components(passes)


def _components(passes: NetworkPasses) -> float:
    outputs = [run.out.channels_first() for run in passes.roles().hidden_layers()]
    return float(sum(components(out.movedim(1, -1).flatten(0, -2)) for out in outputs))


def components(rows: torch.Tensor) -> int:
    """Return the least number of principal components that explain more than ``VARIANCE`` of ``n x c``.

    Raises:
        UndefinedError: All rows are equal.
    """
    centred = rows.double() - rows.double().mean(0)
    short = len(centred) < centred.shape[1]
    values = torch.linalg.eigvalsh(centred @ centred.T if short else centred.T @ centred).clamp_min(0).flip(0)
    if not values.sum() > 0:
        raise UndefinedError("the outputs of a feed-forward block's first layer must vary; they are constant")
    explained = values.cumsum(0) / values.sum()
    return min(int((explained <= VARIANCE).sum()) + 1, len(values))
