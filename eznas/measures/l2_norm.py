"""Norm of the weights.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.errors import UndefinedError
from eznas.measures import register_measure
from eznas.passes.weights import LAYERS, layer_weights, require_layers

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch


@register_measure(
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="sum over layers of ||W||",
    equivalent="sum(frobenius_norm(weight))",
    reference="rho .720 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def l2_norm(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the sum over layers of the Euclidean norm of the weight.

    It depends on the initialisation: torch's default gives a layer about ``sqrt(c_out / 3)``, whatever its kernel.
    """
    del minibatch  # not read
    weights = layer_weights(network)
    if not weights and any(isinstance(module, LAYERS) for module in network.modules()):
        raise UndefinedError("the network must have a layer whose weight is a parameter of its own; all are computed")
    return sum(float(weight.detach().double().norm()) for weight in require_layers(weights))
