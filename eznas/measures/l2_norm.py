"""Norm of the weights.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures import register_measure
from eznas.passes.layers import layers_of
from eznas.passes.sizes import WEIGHT
from eznas.passes.weights import require_layers

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch


@register_measure(
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="sum of ||W|| over layers",
    seconds=lambda sizes: 4 * sizes.weights * WEIGHT,
    equivalent="sum(frobenius_norm(weight))",
    reference="rho .720 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def l2_norm(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the sum over layers of the Euclidean norm of the weight.

    Where a layer computes its weight from parameters, such as a normalised weight, the norms of these are summed. A
    network with further parameters of two or more axes runs forward to find out which of them are weights.

    It depends on the initialisation: torch's default gives a layer about ``sqrt(c_out / 3)``, whatever its kernel.

    Raises:
        NoUnitsError: The network has no layer.
    """
    weights = require_layers(layers_of(network, minibatch.images).weights)
    return sum(float(weight.detach().double().norm()) for weight in weights)
