"""First-order change of the loss if a weight were removed, with its sign.

References:
    [SKEL] Mozer, Smolensky. Skeletonization: A Technique for Trimming the Fat from a Network via Relevance Assessment.
        NeurIPS 1988.
"""

from __future__ import annotations

import torch

from eznas.measures import NetworkPasses, measure_from_passes


@measure_from_passes(
    "weight_gradients",
    paper="Mozer and Smolensky, NeurIPS 1988; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="sum of W dL/dW over weights; over the weights of a layer in front of a batch normalisation, this sum is 0",
    direction=-1,
    equivalent="sum(dot(weight, weight_grad.loss))",
    reference="rho -.367 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def plain(passes: NetworkPasses) -> float:
    """Return the sum over all weights of ``w dL/dw``.

    The loss does not depend on the scale of a weight in front of a batch normalisation, so its terms cancel. Sums are
    in float64 to keep their rounding small.
    """
    return sum(
        float(torch.dot(layer.weight.flatten().double(), layer.gradient.flatten().double()))
        for layer in passes.weight_gradients()
    )
