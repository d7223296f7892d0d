"""The indicator of TF-TAS: synaptic diversity of attention and synaptic saliency of feed-forward layers.

References:
    [TFTAS] Zhou, Sheng, Zheng, Li, Sun, Tian, Chen, Ji. Training-free Transformer Architecture Search. CVPR 2022.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import singular_values

if TYPE_CHECKING:
    from eznas.passes.sizes import Sizes


def nuclear_norm_seconds(sizes: Sizes) -> float:
    """Return the seconds of the nuclear norms of attention's weights and of their gradients."""
    return 2 * sum(singular_values(*sides) for sides in sizes.attention)


@measure_from_passes(
    "roles",
    "absolute_gradients",
    paper="Zhou et al., Training-free Transformer Architecture Search, CVPR 2022",
    formula="(sum of ||W||_* ||dR/dW||_* over the layers of attentions) + (sum of |W dR/dW| over the weights of all "
    "other linear layers). ||.||_* is the nuclear norm; synflow defines R",
    seconds=nuclear_norm_seconds,
)
def dss(passes: NetworkPasses) -> float:
    """Return the DSS-indicator, in float64.

    The weights of attention are those of the projections to queries, keys and values and of the layers behind the
    heads. As in the released code, all other linear layers count for the saliency, among them the head, and
    convolutions such as those of patches do not. One weight is one matrix, so a layer that computes queries, keys and
    values together does not have the value of three layers.

    Raises:
        UndefinedError: The network runs no attention, or the sum exceeds the largest float64.
    """
    roles = passes.roles()
    of_attention = {id(weight) for weight in roles.attention_weights(outputs=True)}
    total = 0.0
    weights = [weight for weight in roles.linear_weights() if weight.dim() > 1]
    for weight, pair in zip(weights, passes.absolute_gradients(weights), strict=True):
        if id(weight) in of_attention:
            total += nuclear_norm(pair[0]) * nuclear_norm(pair[1])
        else:
            total += float((pair[0] * pair[1]).abs().sum())
    if not math.isfinite(total):
        raise UndefinedError(f"the indicator must be below {torch.finfo(torch.float64).max:.3g}; it is {total}")
    return total


def nuclear_norm(weight: torch.Tensor) -> float:
    """Return the sum of the singular values of a weight, ``c_out x *``, in float64."""
    matrix = weight.double().flatten(1)
    if not bool(matrix.isfinite().all()):
        return math.nan
    return float(torch.linalg.matrix_norm(matrix, "nuc"))
