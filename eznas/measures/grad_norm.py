"""Norm of the gradients of the weights.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from eznas.measures import NetworkPasses, measure_from_passes


@measure_from_passes(
    "weight_gradients",
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="sum of ||dL/dW|| over layers",
    equivalent="sum(frobenius_norm(weight_grad.loss))",
    reference="|rho| .594/.637/.578 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def grad_norm(passes: NetworkPasses) -> float:
    """Return the sum over layers of the Euclidean norm of the loss's gradient with respect to the weight."""
    return sum(float(layer.gradient.double().norm()) for layer in passes.weight_gradients())
