"""Effective rank of the outputs of each layer.

References:
    [NEAR] Husistein, Reiher, Eckhoff. NEAR: A Training-Free Pre-Estimator of Machine Learning Model Performance. ICLR
        2025.
    [RV] Roy, Vetterli. The effective rank: A measure of effective dimensionality. EUSIPCO 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.capture import NoUnitsError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import spectrum

if TYPE_CHECKING:
    from eznas.passes.sizes import Sizes


def _seconds(sizes: Sizes) -> float:
    return sum(spectrum(sizes.images * positions, channels) for positions, channels in sizes.outputs)


@measure_from_passes(
    "map_outputs",
    paper="Husistein et al., NEAR, ICLR 2025",
    formula="sum of e^H over layers, normalisations and activations. H is the entropy of s / sum(s), where s holds "
    "the singular values of the output as a matrix with a row for each position of each image and a column for each "
    "channel",
    seconds=_seconds,
)
def near(passes: NetworkPasses) -> float:
    """Return the summed effective ranks of the matrices before and after each activation.

    The rows of a matrix are the positions of all images. To save time the released code reads as many consecutive rows
    as there are channels, from a random start; here all rows are read, so the value is deterministic.

    Raises:
        NoUnitsError: The network has no layer, normalisation or activation.
    """
    ranks = passes.map_outputs(lambda out: effective_rank(out.movedim(1, -1).flatten(0, -2)))
    if not ranks:
        raise NoUnitsError("the network must have a layer, a normalisation or an activation; it has none")
    return sum(ranks)


def effective_rank(matrix: torch.Tensor) -> float:
    """Return exp of the entropy of the normalised singular values of ``n x c`` in float64; 0 for a matrix of zeros."""
    matrix = matrix.double()
    gram = matrix.T @ matrix if len(matrix) > matrix.shape[1] else matrix @ matrix.T
    values = torch.linalg.eigvalsh(gram).clamp_min(0)
    # the root would turn the rounding of the greatest eigenvalue into shares of 1e-8
    values = values.where(values > torch.finfo(torch.float64).eps * len(values) * values[-1], 0).sqrt()
    total = values.sum()
    if total == 0:
        return 0.0
    share = values / total
    return float(torch.exp(-torch.special.xlogy(share, share).sum()))
