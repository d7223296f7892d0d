"""How removing each weight would change the flow of gradients.

References:
    [GRASP] Wang, Zhang, Grosse. Picking Winning Tickets Before Training by Preserving Gradient Flow. ICLR 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["grasp"]


@measure_from_passes(
    "weight_gradients",
    "curvature",
    name="grasp",
    paper="Wang et al., GraSP, ICLR 2020; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="-sum over weights of W (H g), with g = dL/dW and H = d^2L/dW^2",
    reference="|rho| .514/.547/.549 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def grasp(passes: NetworkPasses) -> float:
    """Return the negative product of the weights with the product of the loss's Hessian and gradient.

    The temperature is 1 and the minibatch is not split. The sums run in float64.
    """
    total = 0.0
    for found, product in zip(passes.weight_gradients(), passes.curvature(), strict=True):
        total -= float(torch.dot(found.weight.flatten().double(), product.flatten().double()))
    return total
