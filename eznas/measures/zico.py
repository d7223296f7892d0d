"""How steady the gradients are from one part of the minibatch to another.

References:
    [ZICO] Li, Yang, Bhardwaj, Marculescu. ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients. ICLR
        2023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.errors import UndefinedError
from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["zico"]


@measure_from_passes(
    "halves",
    name="zico",
    paper="Li et al., ZiCo, ICLR 2023",
    formula="sum over layers of log of the sum over weights of mean |g| / std g over batches, where std g is not 0",
    reference="tau .589/.590/.584 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def zico(passes: NetworkPasses) -> float:
    """Return the logarithms of the layers' summed inverse coefficients of variation, over the minibatch's two halves.

    The paper takes two batches; give a minibatch of twice the size to have the same. The deviation is that of the
    population. A layer without a gradient has no part in the sum, as in the released code.

    Raises:
        UndefinedError: No layer has gradients that vary, or one has gradients that are not finite.
    """
    total, layers = 0.0, 0
    for first, second in zip(*passes.halves(), strict=True):
        one, other = first.double(), second.double()
        deviation = (one - other).abs() / 2
        varies = deviation > 0
        ratios = float((((one.abs() + other.abs()) / 2)[varies] / deviation[varies]).sum())
        if ratios > 0:
            total += math.log(ratios)
            layers += 1
    if not layers:
        raise UndefinedError("some layer's gradients must differ between the halves of the minibatch; none do")
    return total
