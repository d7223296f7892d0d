"""The weights and biases of a network's layers, as modules hold them or as a forward pass uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from eznas.capture import fork_state, translated_errors
from eznas.capture.state import device_of
from eznas.capture.statistics import recorded_forward
from eznas.passes.recorder import PassRecorder
from eznas.passes.weights import enable_grads, has_other_matrices, layer_weights

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Layers:
    """The parameters of layers, each once.

    Args:
        weights: Those of modules that are layers, and then further ones that the forward pass uses.
        biases: Biases that the forward pass uses; empty where it did not run.
    """

    weights: list[Tensor]
    biases: list[Tensor]


def layers_of(network: nn.Module, images: Tensor) -> Layers:
    """Return the parameters of the network's layers.

    The network runs forward on two images if it has parameters of two or more axes that are no weights of modules.

    Args:
        network: It is left as it was.
        images: ``b x c x h x w``.
    """
    weights: list[Tensor] = list(layer_weights(network))
    if not has_other_matrices(network):
        return Layers(weights, [])
    grads_enabled: list[Tensor] = []
    enable_grads(network, grads_enabled)
    recorder = PassRecorder(network, len(images[:2]), ())
    try:
        with translated_errors(), fork_state(network), torch.enable_grad():
            recorded_forward(network, images[:2].to(device_of(network)), recorder, where="on the first two images")
    finally:
        for parameter in grads_enabled:
            parameter.requires_grad_(False)
    return Layers(recorder.finder.all_weights(first=weights), list(recorder.finder.biases.values()))
