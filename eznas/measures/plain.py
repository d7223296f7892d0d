"""How much the loss would change to first order if each weight were removed, with its sign.

References:
    [SKEL] Mozer, Smolensky. Skeletonization: A Technique for Trimming the Fat from a Network via Relevance Assessment.
        NeurIPS 1988.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["plain"]


@measure_from_passes(
    "weight_gradients",
    name="plain",
    paper="Mozer and Smolensky, NeurIPS 1988; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="sum over weights of W dL/dW; 0 but for the last layers where batch normalisation follows a layer",
    direction=-1,
    equivalent="sum(dot(weight, weight_grad.loss))",
    reference="rho -.367 on 9,445 NAS-Bench-201 networks (CIFAR-10)",
)
def plain(passes: NetworkPasses) -> float:
    """Return the sum over all weights of ``w dL/dw``.

    A layer in front of a batch normalisation does not change with the scale of its weight, so its terms cancel; the
    sums run in float64, lest rounding be what remains.
    """
    return sum(
        float(torch.dot(found.weight.flatten().double(), found.gradient.flatten().double()))
        for found in passes.weight_gradients()
    )
