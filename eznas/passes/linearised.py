"""The gradients of a network whose parameters are replaced by their absolute values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from eznas.passes.functional_params import FunctionalRecorder, run_with_params
from eznas.passes.gradients import differentiate, zeros_for_none
from eznas.passes.weights import layer_weights, require_layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn


def linearised_gradients(network: nn.Module, images: Tensor, *, normalised: bool) -> list[tuple[Tensor, Tensor]]:
    """Return the layers' absolute weights and the gradients of the summed logits with respect to them, in float64.

    Where a layer computes its weight from parameters, these are the weights, as in ``NetworkPasses.weight_gradients``.
    The network runs once, on an image of ones, with the absolute values of all its parameters.

    Args:
        network: It is left as it was.
        images: ``b x c x h x w``; only their shape is read.
        normalised: Whether batch normalisations run; otherwise they return their input.

    Raises:
        NoUnitsError: The network has no layer.
    """
    parameters, recorder, logits = _run_absolute(network, images, normalised=normalised)
    of_modules = [parameters[id(parameter)] for parameter in layer_weights(network)]
    weights = require_layers(recorder.finder.all_weights(of_modules))
    gradients = differentiate(logits.sum(), weights)
    return list(zip([weight.detach() for weight in weights], zeros_for_none(gradients, weights), strict=True))


def absolute_gradients(network: nn.Module, images: Tensor, weights: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return the absolute values of some parameters and their gradients in the run of ``linearised_gradients``.

    Args:
        network: It is left as it was.
        images: ``b x c x h x w``; only their shape is read.
        weights: Parameters of the network.
    """
    parameters, _, logits = _run_absolute(network, images, normalised=False)
    chosen = [parameters[id(weight)] for weight in weights]
    gradients = zeros_for_none(differentiate(logits.sum(), chosen), chosen)
    return list(zip([weight.detach() for weight in chosen], gradients, strict=True))


def _run_absolute(
    network: nn.Module, images: Tensor, *, normalised: bool
) -> tuple[dict[int, Tensor], FunctionalRecorder, Tensor]:
    """Return the absolute parameters by the identity of the parameters, the recorder, and the logits."""
    parameters = {name: parameter.detach().abs().double() for name, parameter in network.named_parameters()}
    for absolute in parameters.values():
        absolute.requires_grad_()
    by_identity = {id(parameter): parameters[name] for name, parameter in network.named_parameters()}
    recorder = FunctionalRecorder(parameters.values(), normalised=normalised)
    ones = torch.ones((1, *images.shape[1:]), dtype=torch.float64, device=images.device)
    return by_identity, recorder, run_with_params(network, parameters, ones, recorder, "on an image of ones")
