"""How differently the logits depend on different images.

References:
    [JACOB] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training. arXiv 2006.04647v1, 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.errors import UndefinedError
from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.passes.network_passes import NetworkPasses

__all__ = ["correlations", "jacob_cov"]

_SMALL = 1e-5


def correlations(rows: Tensor) -> Tensor:
    """Return Pearson's correlations of the rows, ``b x n``, in float64: ``b x b``.

    Raises:
        UndefinedError: A row has no variation.
    """
    rows = rows.double()
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    # what rounding leaves of equal entries is no variation
    still = norms <= torch.finfo(torch.float64).eps * rows.shape[1] * rows.abs().amax(1, keepdim=True)
    if bool(still.any()):
        raise UndefinedError(
            "the gradient with respect to each image must vary over its pixels; that of image "
            f"{int(still.flatten().nonzero()[0])} is the same everywhere"
        )
    unit: Tensor = centred / norms
    return unit @ unit.T


@measure_from_passes(
    "image_gradients",
    name="jacob_cov",
    paper="Mellor et al., Neural Architecture Search without Training, first version, 2020",
    formula="-sum over eigenvalues v of the images' correlation matrix of log(v + k) + 1/(v + k), k = 1e-5, over the "
    "gradients of the summed logits",
    reference="|rho| .731/.704/.701 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def jacob_cov(passes: NetworkPasses) -> float:
    """Return how far the gradients of the summed logits with respect to the images are from being correlated.

    Correlations and eigenvalues are in float64; an eigenvalue that rounding leaves below 0 counts as 0.
    """
    values = torch.linalg.eigvalsh(correlations(passes.image_gradients())).clamp_min(0) + _SMALL
    return -float((values.log() + values.reciprocal()).sum())
