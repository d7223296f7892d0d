"""Inverse coefficients of variation of the gradients over the two halves of the minibatch.

References:
    [ZICO] Li, Yang, Bhardwaj, Marculescu. ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients. ICLR
        2023.
"""

from __future__ import annotations

import math

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import GRADIENT


@measure_from_passes(
    "half_gradients",
    paper="Li et al., ZiCo, ICLR 2023",
    formula="sum of log r over layers. r is the sum over the layer's weights of (mean of |g|) / (standard deviation "
    "of g), where the mean and the standard deviation are over the two halves of the minibatch. Weights whose "
    "standard deviation is 0 are left out",
    seconds=lambda sizes: 10 * sizes.weights * GRADIENT,
    reference="tau .589/.590/.584 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def zico(passes: NetworkPasses) -> float:
    """Return the summed logarithms of the layers' inverse coefficients of variation, over the minibatch's two halves.

    The paper takes two batches; pass a minibatch of twice the size to repeat it. The standard deviation is that of the
    population. Layers without a gradient are left out, as in the released code.

    Raises:
        UndefinedError: The gradients of all layers are equal in both halves, or some are not finite.
    """
    total, layers = 0.0, 0
    for first, second in zip(*passes.half_gradients(), strict=True):
        left, right = first.double(), second.double()
        deviation = (left - right).abs() / 2
        varies = deviation > 0
        ratios = float((((left.abs() + right.abs()) / 2)[varies] / deviation[varies]).sum())
        if ratios > 0:
            total += math.log(ratios)
            layers += 1
    if not layers:
        raise UndefinedError(
            "the gradients of some layer must differ between the halves of the minibatch; they do in none"
        )
    return total
