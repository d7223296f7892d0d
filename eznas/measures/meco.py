"""Correlations of the channels of each layer.

References:
    [MECO] Jiang, Wang, Bie. MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of
        Correlation. NeurIPS 2023.
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
    return sum(spectrum(positions, channels) for positions, channels in sizes.outputs if positions > channels)


@measure_from_passes(
    "noise_outputs",
    paper="Jiang et al., MeCo, NeurIPS 2023",
    formula="sum of v over layers, normalisations and activations. v is the least eigenvalue of the matrix of Pearson "
    "correlations between the channels of the output for one image of noise",
    seconds=_seconds,
)
def meco(passes: NetworkPasses) -> float:
    """Return the summed least eigenvalues of the channels' correlations, in float64.

    Correlations with a constant channel count as 0, as in the released code, and so does an eigenvalue within rounding
    of 0. The released code also reads the outputs of modules that contain others, so its score depends on how a network
    is written; this one depends on its operations only. Maps and tokens are read; vectors have no positions.

    Raises:
        NoUnitsError: The network has no maps or tokens.
        UndefinedError: A layer's first axis is not that of the images.
    """
    eigenvalues = [_least_eigenvalue(out.flatten(1)) for out in passes.noise_outputs() if out.dim() > 1]
    if not eigenvalues:
        raise NoUnitsError(
            "the network must compute maps or tokens, because the measure correlates channels over their positions"
        )
    return sum(eigenvalues)


def _least_eigenvalue(rows: torch.Tensor) -> float:
    """Return the least eigenvalue of the correlation matrix of the rows of ``c x n``."""
    channels, positions = rows.shape
    if positions <= channels and bool(rows.isfinite().all()):  # the centred rows are linearly dependent
        return 0.0
    rows = rows.double()
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    varies = norms > torch.finfo(torch.float64).eps * rows.shape[1] * rows.abs().amax(1, keepdim=True)
    unit = torch.where(varies, centred / torch.where(varies, norms, 1), 0)
    values = torch.linalg.eigvalsh(unit @ unit.T)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    return float(torch.where(values[0].abs() <= rounding, 0, values[0]))
