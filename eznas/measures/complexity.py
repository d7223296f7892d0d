"""How large a network is: parameters and multiply-accumulates, the baselines that every proxy has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from eznas.capture import explained, preserved
from eznas.capture.preserve import device_of
from eznas.measures import measure

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

    Counted are convolutions and matrix products, one multiply-accumulate each as one; biases, normalisations,
    activations and poolings are not. The network runs in evaluation mode.
    """
    image = minibatch.images[:1].to(device_of(network))
    counter = FlopCounterMode(display=False)
    with explained(), preserved(network), torch.no_grad(), counter:
        network.eval()
        network(image.clone())
    return float(counter.get_total_flops() / 2)
