"""Synaptic flow: the saliency of weights in a network of absolute parameters.

References:
    [SYNFLOW] Tanaka, Kunin, Yamins, Ganguli. Pruning neural networks without any data by iteratively conserving
        synaptic flow. NeurIPS 2020.
    [FREEREA] Cavagnero, Robbiano, Caputo, Averta. FreeREA: Training-Free Evolution-based Architecture Search. WACV
        2023.
"""

from __future__ import annotations

import math

import torch

from eznas.errors import UndefinedError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import GRADIENT

_PAPER = "Tanaka et al., SynFlow, NeurIPS 2020; as a proxy in Abdelfattah et al., ICLR 2021"


def _total(terms: list[float]) -> float:
    total = sum(terms)
    if not math.isfinite(total):
        raise UndefinedError(f"the synaptic flow must be below {torch.finfo(torch.float64).max:.3g}; it is {total}")
    return total


@measure_from_passes(
    "linearised",
    paper=_PAPER,
    formula="sum of |W dR/dW| over weights. R is the sum of the logits for an image of ones, in a network with the "
    "absolute values of the parameters and without batch normalisation",
    reference="|rho| .737/.763/.751 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def synflow(passes: NetworkPasses) -> float:
    """Return the synaptic flow, in float64; in deep networks it exceeds the largest float32.

    Raises:
        UndefinedError: It exceeds the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in passes.linearised()])


@measure_from_passes(
    "linearised_normalised",
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="as synflow, but in a network with batch normalisation",
)
def synflow_bn(passes: NetworkPasses) -> float:
    """Return the synaptic flow with batch normalisation, in float64.

    Raises:
        UndefinedError: It exceeds the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in passes.linearised_normalised()])


@measure_from_passes(
    "linearised",
    paper="Cavagnero et al., FreeREA, WACV 2023",
    formula="sum of |W| log(1 + dR/dW) over weights; synflow defines R",
    seconds=lambda sizes: 2 * sizes.weights * GRADIENT,
)
def logsynflow(passes: NetworkPasses) -> float:
    """Return the synaptic flow with logarithms of the gradients, in float64.

    Raises:
        UndefinedError: A gradient exceeds the largest float64, or is negative, as with attention or layer norms.
    """
    if any(bool((gradient < 0).any()) for _, gradient in passes.linearised()):
        raise UndefinedError("the gradients of synflow must not be negative; for example with attention, some are")
    return _total([float((weight * gradient.log1p()).abs().sum()) for weight, gradient in passes.linearised()])
