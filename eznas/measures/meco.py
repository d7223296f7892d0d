"""How correlated the channels of each layer are.

References:
    [MECO] Jiang, Wang, Bie. MeCo: Zero-Shot NAS with One Data and Single Forward Pass via Minimum Eigenvalue of
        Correlation. NeurIPS 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.capture import NoUnitsError
from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.passes.network_passes import NetworkPasses

__all__ = ["meco"]


@measure_from_passes(
    "noise_outputs",
    name="meco",
    paper="Jiang et al., MeCo, NeurIPS 2023",
    formula="sum over what leaves layers, normalisations and activations of the least eigenvalue of the channels' "
    "Pearson correlations, on one image of noise",
)
def meco(passes: NetworkPasses) -> float:
    """Return the summed least eigenvalues of the channels' correlations, in float64.

    Correlations with a channel that does not vary count as 0, as in the released code, which also counts what leaves
    modules that hold others: there the score depends on how a network is written, here on what it does. An eigenvalue
    that rounding may have made counts as 0 too. Read are maps and tokens; a vector has no positions to be correlated
    over.

    Raises:
        NoUnitsError: The network has no maps or tokens.
        UndefinedError: A layer's first axis is not that of the images.
    """
    found = [_least(out.flatten(1)) for out in passes.noise_outputs() if out.dim() > 1]
    if not found:
        raise NoUnitsError("the network must give maps or tokens, over whose positions channels are correlated")
    return sum(found)


def _least(rows: Tensor) -> float:
    rows = rows.double()
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    varies = norms > torch.finfo(torch.float64).eps * rows.shape[1] * rows.abs().amax(1, keepdim=True)
    unit = torch.where(varies, centred / torch.where(varies, norms, 1), 0)
    values = torch.linalg.eigvalsh(unit @ unit.T)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    return float(torch.where(values[0].abs() <= rounding, 0, values[0]))
