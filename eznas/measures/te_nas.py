"""The two proxies of TE-NAS: the condition number of the neural tangent kernel, and the number of linear regions.

References:
    [TENAS] Chen, Gong, Wang. Neural Architecture Search on ImageNet in Four GPU Hours: A Theoretically Inspired
        Perspective. ICLR 2021.
"""

from __future__ import annotations

import torch

from eznas.capture import NoUnitsError
from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import DOUBLE, GRADIENT, PRODUCT

_ROUNDING = 128
"""Error of a gradient, in roundings of its precision."""

_PAPER = "Chen et al., TE-NAS, ICLR 2021"


@measure_from_passes(
    "sample_logit_gradients",
    paper=_PAPER,
    formula="greatest eigenvalue of G G^T divided by the least eigenvalue of G G^T. G has a row for each image: the "
    "gradient of the sum of the image's logits with respect to the weights",
    direction=-1,
    seconds=lambda sizes: sizes.images * sizes.weights * (4 * GRADIENT + sizes.images * DOUBLE * PRODUCT),
    reference="tau of te_nas, the sum of the ranks by ntk_condition and linear_regions, .536/.535/.492 on "
    "NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def ntk_condition(passes: NetworkPasses) -> float:
    """Return the condition number of the neural tangent kernel, ``b x b``, accumulated in float64.

    The weights are the parameters behind the weights of layers, normalisations, embeddings and PReLU, whatever their
    names. The kernel counts as singular where the least eigenvalue is a rounding error: gradients that are wrong by a
    share ``e`` change it by ``e^2`` times the greatest, and ``e`` is 128 roundings, the sum of many. With gradients in
    float32 the greatest condition number is about 4e9.

    Raises:
        UndefinedError: The kernel is singular.
    """
    tensors = passes.sample_logit_gradients()
    kernel = torch.zeros((), dtype=torch.float64, device=passes.minibatch.images.device)
    for gradients in tensors:
        kernel = kernel + gradients.double() @ gradients.double().T
    values = torch.linalg.eigvalsh(kernel)
    # the rounding of the gradients in their precision, and of their products in float64
    of_gradients = torch.finfo(tensors[0].dtype).eps * max(len(values), _ROUNDING)
    rounding = max(of_gradients**2, torch.finfo(torch.float64).eps * len(values))
    if not values[0] > rounding * values[-1]:
        raise UndefinedError(
            "the neural tangent kernel must not be singular; its least eigenvalue is within the rounding of the "
            f"gradients, {float(values[0] / values[-1]):.3g} of the greatest"
        )
    return float(values[-1] / values[0])


@measure_from_passes(
    "patterns",
    "logits",
    paper=_PAPER,
    formula="number of different rows in a matrix with a row for each image. The matrix has a column for each entry "
    "of the inputs of all activations except sigmoid, hardsigmoid and softplus. An entry of the matrix is 1 where the "
    "input is above 0, else 0",
    reference="tau of te_nas, the sum of the ranks by ntk_condition and linear_regions, .536/.535/.492 on "
    "NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def linear_regions(passes: NetworkPasses) -> float:
    """Return the number of linear regions of the network in which the images lie.

    It is at most the number of images, and most networks reach that bound on natural images. The paper runs thousands
    of images of 3 x 3 pixels through networks with one cell a stage; pass such a minibatch and network to repeat it.

    Raises:
        NoUnitsError: The network has no activation whose output can be negative or zero.
    """
    patterns = [positive for _, positive in passes.patterns()]
    if not patterns:
        raise NoUnitsError("the network must have an activation whose output can be negative or zero; it has none")
    same = torch.ones(len(passes.logits()), len(passes.logits()), dtype=torch.bool, device=passes.logits().device)
    for positive in patterns:
        ones = positive.float()
        same &= ((1 - ones) @ ones.T + ones @ (1 - ones).T) == 0  # whole numbers
    return float(len(torch.unique(same, dim=0)))
