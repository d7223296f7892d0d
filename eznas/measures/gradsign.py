"""Agreement of the signs of the gradients of single images.

References:
    [GRADSIGN] Zhang, Jia. GradSign: Model Performance Inference with Theoretical Insights. ICLR 2022.
"""

from __future__ import annotations

import torch

from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import GRADIENT


@measure_from_passes(
    "sample_loss_gradients",
    paper="Zhang and Jia, GradSign, ICLR 2022",
    formula="sum of |s| over weights. s is the sum of sign(dL(x)/dW) over images x, where L(x) is the loss of image x "
    "alone",
    seconds=lambda sizes: sizes.images * sizes.weights * GRADIENT,
    reference="tau .618/.594/.575 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def gradsign(passes: NetworkPasses) -> float:
    """Return the sum over weights of the majority of one sign over the other among the images' gradients.

    Each image runs alone, as in the paper, so batch normalisation needs maps of more than one pixel. This is the
    paper's sum; some releases divide it by the number of weights, which is a different measure. In a network that ends
    in a batch normalisation without bias, an average and a linear layer, the average of one image is 0, so the signs of
    the linear layer's gradients are those of rounding errors.

    Raises:
        NoUnitsError: The network has no convolution or linear layer.
        UndefinedError: A gradient is not finite, so it has no sign.
    """
    totals: list[torch.Tensor] = []
    for gradients in passes.sample_loss_gradients():
        signs = [gradient.sign() for gradient in gradients]
        totals = [total + sign for total, sign in zip(totals, signs, strict=True)] if totals else signs
    return sum(float(total.abs().sum(dtype=torch.float64)) for total in totals)
