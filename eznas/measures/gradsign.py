"""How far the gradients of single images agree in sign.

References:
    [GRADSIGN] Zhang, Jia. GradSign: Model Performance Inference with Theoretical Insights. ICLR 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.passes.network_passes import NetworkPasses

__all__ = ["gradsign"]


@measure_from_passes(
    "singles",
    name="gradsign",
    paper="Zhang and Jia, GradSign, ICLR 2022",
    formula="sum over weights of |sum over images x of sign(dL(x)/dW)|",
    reference="tau .618/.594/.575 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def gradsign(passes: NetworkPasses) -> float:
    """Return how many more images' gradients agree than disagree in sign, over all weights.

    Each image runs alone, as in the paper, so batch normalisation needs maps of more than one pixel. This is the sum of
    the paper; some releases divide by the number of weights, which makes it a different measure.

    Raises:
        NoUnitsError: The network has no convolution or linear layer.
        UndefinedError: A gradient is not finite, which has no sign.
    """
    totals: list[Tensor] = []

    def visit(gradients: list[Tensor]) -> None:
        signs = [gradient.sign() for gradient in gradients]
        totals[:] = [total + sign for total, sign in zip(totals, signs, strict=True)] if totals else signs

    passes.singles(visit)
    return sum(float(total.abs().sum(dtype=torch.float64)) for total in totals)
