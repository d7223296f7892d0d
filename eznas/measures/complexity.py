"""How large a network is: parameters and multiply-accumulates, the baselines that every proxy has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.capture import explained, preserved
from eznas.capture.record import Recorder
from eznas.capture.statistics import watched_forward
from eznas.measures import measure
from eznas.measures.watch import check_seen

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["flops", "params"]


@measure(name="params", paper="", formula="number of trainable parameters")
def params(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the number of the network's parameters that require a gradient; ``minibatch`` is not read."""
    del minibatch
    return float(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))


@measure(name="flops", paper="", formula="multiply-accumulates of one image", needs=["forward"])
def flops(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the multiply-accumulates of one image's forward pass.

    Counted are 2-d convolutions and linear layers, one multiply-accumulate as one; biases, normalisations, activations,
    poolings and products of activations with each other, as in attention, are not. Batch normalisation's statistics
    need more than one image, so two are run where there are two.

    Raises:
        UndefinedError: A layer ran unseen.
    """
    images, recorder = minibatch.images[:2], Recorder(network)
    with explained(), preserved(network), torch.no_grad():
        watched_forward(network, images, recorder)
    check_seen(recorder)
    # over all axes: windows and tokens may stand beside the images on the first
    outputs = ((math.prod(layer.leaving.shape), math.prod(layer.weight.shape[1:])) for layer in recorder.layers)
    return float(sum(numbers // len(images) * products for numbers, products in outputs))
