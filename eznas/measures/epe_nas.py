"""How the logits' dependence on the images is correlated within each class.

References:
    [EPE] Lopes, Alirezazadeh, Alexandre. EPE-NAS: Efficient Performance Estimation Without Training for Neural
        Architecture Search. ICANN 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.measures import measure_from_passes
from eznas.measures.jacob_cov import correlations

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["epe_nas"]

_SMALL = 1e-5
_MANY = 100


@measure_from_passes(
    "image_gradients",
    "logits",
    name="epe_nas",
    paper="Lopes et al., EPE-NAS, ICANN 2021",
    formula="sum over classes c of |s_c|, s_c = sum of log(|R_c| + k), R_c the correlations of the images of class c "
    "as in jacob_cov; above 100 classes the mean over c of the sum over d of |s_c - s_d|, s_c a row's mean",
    reference="rho .787 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def epe_nas(passes: NetworkPasses) -> float:
    """Return the summed log-correlations of the images of each class that occurs; ``k`` is 1e-5."""
    gradients, labels = passes.image_gradients(), passes.minibatch.labels
    many = passes.logits().shape[1] > _MANY
    sums = []
    for label in torch.unique(labels):
        found = correlations(gradients[labels == label])
        total = float((found.abs() + _SMALL).log().sum())
        sums.append(total / len(found) if many else total)
    if many:
        return sum(abs(one - other) for one in sums for other in sums) / len(sums)
    return sum(abs(one) for one in sums)
