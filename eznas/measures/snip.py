"""First-order change of the loss if a weight were removed, in absolute value.

References:
    [SNIP] Lee, Ajanthan, Torr. SNIP: Single-shot Network Pruning Based on Connection Sensitivity. ICLR 2019.
"""

from __future__ import annotations

import torch

from eznas.measures import NetworkPasses, measure_from_passes


@measure_from_passes(
    "weight_gradients",
    paper="Lee et al., SNIP, ICLR 2019; as a proxy in Abdelfattah et al., ICLR 2021",
    formula="sum of |W dL/dW| over weights",
    equivalent="sum(sum_abs(mul(weight, weight_grad.loss)))",
    reference="|rho| .596/.637/.578 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def snip(passes: NetworkPasses) -> float:
    """Return the sum over all weights of ``|w dL/dw|``."""
    return sum(
        float((layer.weight * layer.gradient).abs().sum(dtype=torch.float64)) for layer in passes.weight_gradients()
    )
