"""Correlations of the gradients with respect to the images.

References:
    [JACOB] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training. arXiv 2006.04647v1, 2020.
"""

from __future__ import annotations

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes

_SMALL = 1e-5


def correlations(rows: torch.Tensor) -> torch.Tensor:
    """Return the Pearson correlations of the rows of ``b x n`` in float64: ``b x b``.

    Raises:
        UndefinedError: A row is constant.
    """
    rows = rows.double()
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    # equal entries may differ by rounding
    constant = norms <= torch.finfo(torch.float64).eps * rows.shape[1] * rows.abs().amax(1, keepdim=True)
    if bool(constant.any()):
        raise UndefinedError(
            "the gradient with respect to each image must vary over its pixels; it is constant for image "
            f"{int(constant.flatten().nonzero()[0])}"
        )
    unit: torch.Tensor = centred / norms
    return unit @ unit.T


@measure_from_passes(
    "image_gradients",
    paper="Mellor et al., Neural Architecture Search without Training, first version, 2020",
    formula="-(sum of (log(v + k) + 1/(v + k)) over v), where k = 1e-5. The v are the eigenvalues of a matrix of "
    "correlations: for each pair of images, it holds the correlation between the gradients of the sum of all logits "
    "with respect to the two images",
    reference="|rho| .731/.704/.701 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def jacob_cov(passes: NetworkPasses) -> float:
    """Return a score that is high if gradients with respect to different images are uncorrelated.

    Correlations and eigenvalues are in float64; an eigenvalue below 0, by rounding, counts as 0.
    """
    values = torch.linalg.eigvalsh(correlations(passes.image_gradients())).clamp_min(0) + _SMALL
    return -float((values.log() + values.reciprocal()).sum())
