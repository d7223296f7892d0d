"""Correlations, within each class, of the gradients with respect to the images.

References:
    [EPE] Lopes, Alirezazadeh, Alexandre. EPE-NAS: Efficient Performance Estimation Without Training for Neural
        Architecture Search. ICANN 2021.
"""

from __future__ import annotations

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.measures.jacob_cov import correlations

_SMALL = 1e-5
_MANY = 100


@measure_from_passes(
    "image_gradients",
    "logits",
    paper="Lopes et al., EPE-NAS, ICANN 2021",
    formula="sum of |s_c| over classes c. s_c is the sum of log(|r| + 1e-5) over the entries r of a matrix: the "
    "matrix of correlations that jacob_cov defines, computed for the images of class c alone. With more than 100 "
    "classes, the measure is the mean over classes c of (sum over classes d of |t_c - t_d|), where t_c is s_c divided "
    "by the number of images of class c",
    needs=["labels"],
    reference="rho .787 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def epe_nas(passes: NetworkPasses) -> float:
    """Return the summed logarithms of the correlations within each class that occurs; ``k`` is 1e-5.

    Raises:
        UndefinedError: The labels are not one class for each image.
    """
    gradients, labels = passes.image_gradients(), passes.minibatch.labels
    if labels.shape != gradients.shape[:1] or labels.is_floating_point():
        raise UndefinedError(f"labels must be one class for each image; their shape is {tuple(labels.shape)}")
    many = passes.logits().shape[1] > _MANY
    sums = []
    for label in torch.unique(labels):
        matrix = correlations(gradients[labels == label])
        total = float((matrix.abs() + _SMALL).log().sum())
        sums.append(total / len(matrix) if many else total)
    if many:
        return sum(abs(first - second) for first in sums for second in sums) / len(sums)
    return sum(map(abs, sums))
