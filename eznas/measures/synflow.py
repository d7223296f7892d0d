"""How much flows through a network of absolute weights.

References:
    [SYNFLOW] Tanaka, Kunin, Yamins, Ganguli. Pruning neural networks without any data by iteratively conserving
        synaptic flow. NeurIPS 2020.
    [FREEREA] Cavagnero, Robbiano, Caputo, Averta. FreeREA: Training-Free Evolution-based Architecture Search. WACV
        2023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.errors import UndefinedError
from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from eznas.passes.network_passes import NetworkPasses

__all__ = ["logsynflow", "synflow", "synflow_bn"]

_PAPER = "Tanaka et al., SynFlow, NeurIPS 2020; as a proxy in Abdelfattah et al., ICLR 2021"


def _total(terms: list[float]) -> float:
    total = sum(terms)
    if not math.isfinite(total):
        raise UndefinedError(f"the flow must stay below {torch.finfo(torch.float64).max:.3g}; it is {total}")
    return total


@measure_from_passes(
    "linearised",
    name="synflow",
    paper=_PAPER,
    formula="sum over weights of |W dR/dW|, R the summed logits for an image of ones through |weights| without batch "
    "normalisation",
    reference="|rho| .737/.763/.751 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def synflow(passes: NetworkPasses) -> float:
    """Return the synaptic flow, in float64 (it passes the largest float32 in deep networks).

    Raises:
        UndefinedError: It passes the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in passes.linearised()])


@measure_from_passes(
    "linearised_normalised",
    name="synflow_bn",
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="synflow with batch normalisation",
)
def synflow_bn(passes: NetworkPasses) -> float:
    """Return the synaptic flow with batch normalisation, in float64.

    Raises:
        UndefinedError: It passes the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in passes.linearised_normalised()])


@measure_from_passes(
    "linearised",
    name="logsynflow",
    paper="Cavagnero et al., FreeREA, WACV 2023",
    formula="sum over weights of |W| log(1 + dR/dW), R as in synflow",
)
def logsynflow(passes: NetworkPasses) -> float:
    """Return the synaptic flow with gradients on a logarithmic scale, in float64.

    Raises:
        UndefinedError: A gradient passes the largest float64, or is negative, as attention and the normalisation of
            layers make some.
    """
    if any(bool((gradient < 0).any()) for _, gradient in passes.linearised()):
        raise UndefinedError("the gradients of the flow must not be negative, as attention and layer norms make them")
    return _total([float((weight * gradient.log1p()).abs().sum()) for weight, gradient in passes.linearised()])
