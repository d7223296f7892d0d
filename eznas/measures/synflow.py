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

from eznas.measures import UndefinedError, reading
from eznas.measures.substitute import Substitution, run_substituted
from eznas.measures.watch import layer_weights, of_layers

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eznas.measures.evidence import Evidence

__all__ = ["flow", "logsynflow", "synflow", "synflow_bn"]

_PAPER = "Tanaka et al., SynFlow, NeurIPS 2020; as a proxy in Abdelfattah et al., ICLR 2021"


def flow(network: nn.Module, images: Tensor, *, normalised: bool) -> list[tuple[Tensor, Tensor]]:
    """Return the absolute weights of the layers and the gradients of the sum of all logits, in float64.

    The network runs once, on an image of ones, with the absolute values of all its parameters.

    Args:
        network: Left as it was found.
        images: Of the shape ``b x c x h x w``; their values are not read.
        normalised: Whether batch normalisations run, or what enters them leaves them.

    Raises:
        NoUnitsError: The network has no layer.
    """
    parameters = {name: one.detach().abs().double() for name, one in network.named_parameters()}
    for one in parameters.values():
        one.requires_grad_()
    names = {id(one): name for name, one in network.named_parameters()}
    watch = Substitution(normalised=normalised)
    ones = torch.ones((1, *images.shape[1:]), dtype=torch.float64, device=images.device)
    logits = run_substituted(network, parameters, ones, watch)
    found = {id(one): one for one in watch.weights.values() if one.requires_grad}
    for weight in layer_weights(network):
        found.setdefault(id(parameters[names[id(weight)]]), parameters[names[id(weight)]])
    weights = of_layers(list(found.values()))
    gradients: tuple[Tensor | None, ...] = (None,) * len(weights)
    if logits.requires_grad:
        gradients = torch.autograd.grad(logits.sum(), weights, allow_unused=True)
    return [
        (weight.detach(), torch.zeros_like(weight) if gradient is None else gradient)
        for weight, gradient in zip(weights, gradients, strict=True)
    ]


def _total(terms: list[float]) -> float:
    total = sum(terms)
    if not math.isfinite(total):
        raise UndefinedError(f"the flow must stay below {torch.finfo(torch.float64).max:.3g}; it is {total}")
    return total


@reading(
    "linearised",
    name="synflow",
    paper=_PAPER,
    formula="sum over weights of |W dR/dW|, R the summed logits for an image of ones through |weights| without batch "
    "normalisation",
    reference="|rho| .737/.763/.751 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def synflow(seen: Evidence) -> float:
    """Return the synaptic flow, in float64 (it passes the largest float32 in deep networks).

    Raises:
        UndefinedError: It passes the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in seen.linearised()])


@reading(
    "linearised_normalised",
    name="synflow_bn",
    paper="Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021",
    formula="synflow with batch normalisation",
)
def synflow_bn(seen: Evidence) -> float:
    """Return the synaptic flow with batch normalisation, in float64.

    Raises:
        UndefinedError: It passes the largest float64.
    """
    return _total([float((weight * gradient).abs().sum()) for weight, gradient in seen.linearised_normalised()])


@reading(
    "linearised",
    name="logsynflow",
    paper="Cavagnero et al., FreeREA, WACV 2023",
    formula="sum over weights of |W| log(1 + dR/dW), R as in synflow",
)
def logsynflow(seen: Evidence) -> float:
    """Return the synaptic flow with gradients on a logarithmic scale, in float64.

    Raises:
        UndefinedError: A gradient passes the largest float64, or is negative, as attention and the normalisation of
            layers make some.
    """
    if any(bool((gradient < 0).any()) for _, gradient in seen.linearised()):
        raise UndefinedError("the gradients of the flow must not be negative, as attention and layer norms make them")
    return _total([float((weight * gradient.log1p()).abs().sum()) for weight, gradient in seen.linearised()])
