"""How removing each weight would change the flow of gradients.

References:
    [GRASP] Wang, Zhang, Grosse. Picking Winning Tickets Before Training by Preserving Gradient Flow. ICLR 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.measures import reading

if TYPE_CHECKING:
    from eznas.measures.evidence import Evidence

__all__ = ["grasp"]


@reading(
    "weight_gradients",
    "curvature",
    name="grasp",
    paper="Wang et al., GraSP, ICLR 2020; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="-sum over weights of W (H g), with g = dL/dW and H = d^2L/dW^2",
    reference="|rho| .514/.547/.549 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def grasp(seen: Evidence) -> float:
    """Return the negative product of the weights with the product of the loss's Hessian and gradient.

    The temperature is 1 and the minibatch is not split. The sums run in float64.
    """
    total = 0.0
    for found, product in zip(seen.weight_gradients(), seen.curvature(), strict=True):
        total -= float(torch.dot(found.weight.flatten().double(), product.flatten().double()))
    return total
