"""Change of the gradient flow if a weight were removed.

References:
    [GRASP] Wang, Zhang, Grosse. Picking Winning Tickets Before Training by Preserving Gradient Flow. ICLR 2020.
"""

from __future__ import annotations

import torch

from eznas.measures import NetworkPasses, measure_from_passes


@measure_from_passes(
    "curvature",
    paper="Wang et al., GraSP, ICLR 2020; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="-(sum of W (H g) over weights), where g = dL/dW and H is the matrix of second derivatives of L",
    reference="|rho| .514/.547/.549 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def grasp(passes: NetworkPasses) -> float:
    """Return the negative dot product of the weights with the product of the loss's Hessian and gradient.

    The temperature is 1 and the minibatch is not split. Sums are in float64.
    """
    total = 0.0
    for weight, product in passes.curvature():
        total -= float(torch.dot(weight.flatten().double(), product.flatten().double()))
    return total
