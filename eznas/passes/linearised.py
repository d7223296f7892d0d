"""A network whose weights are their absolute values: how an image of ones flows through it, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.passes.functional_params import FunctionalRecorder, run_with_params
from eznas.passes.recorder import layer_weights, of_layers

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["flow"]


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
    watch = FunctionalRecorder(normalised=normalised)
    ones = torch.ones((1, *images.shape[1:]), dtype=torch.float64, device=images.device)
    logits = run_with_params(network, parameters, ones, watch)
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
