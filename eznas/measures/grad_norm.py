"""How long the gradients of the weights are.

References:
    [ZC] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["grad_norm"]


@measure_from_passes(
    "weight_gradients",
    name="grad_norm",
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="sum over layers of ||dL/dW||",
    equivalent="sum(frobenius_norm(weight_grad.loss))",
    reference="|rho| .594/.637/.578 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def grad_norm(passes: NetworkPasses) -> float:
    """Return the sum over layers of the Euclidean norm of the loss's gradient with respect to the weight."""
    return sum(float(found.gradient.double().norm()) for found in passes.weight_gradients())
