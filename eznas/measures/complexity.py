"""Parameters, multiply-accumulates and depth, the baselines of every proxy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from eznas.capture import fork_state, translated_errors
from eznas.capture.record import Recorder
from eznas.capture.statistics import recorded_forward
from eznas.measures import register_measure
from eznas.passes.recorder import check_recorded
from eznas.passes.weights import require_layers

if TYPE_CHECKING:
    from torch import Tensor, nn

    from eznas.capture.calls import Call
    from eznas.minibatch import Minibatch


@register_measure(formula="number of trainable parameters")
def params(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the number of the network's parameters that require a gradient."""
    del minibatch  # not read
    return float(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))


@register_measure(formula="multiply-accumulates of convolutions and linear layers for one image", needs=["forward"])
def flops(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the multiply-accumulates of the forward pass of one image; one multiply-accumulate counts as one.

    Convolutions, transposed convolutions and linear layers are counted. Biases, normalisations, activations, poolings
    and explicit products of tensors, as in attention, are not. Two images run if there are two, since batch
    normalisation needs more than one.

    Raises:
        NoUnitsError: No layer ran.
        UndefinedError: torch hides the run of a layer.
    """
    images, recorder = minibatch.images[:2], _Counter(network)
    with translated_errors(), fork_state(network), torch.no_grad():
        recorded_forward(network, images, recorder)
    check_recorded(recorder)
    # windows and tokens may stand beside the images on the first axis, so all axes count
    layers = [(math.prod(layer.conv_out.shape), math.prod(layer.weight.shape[1:])) for layer in recorder.layers]
    counts = require_layers(layers + recorder.others)
    return float(sum(numbers // len(images) * products for numbers, products in counts))


@register_measure(formula="greatest number of layers with weights on a path to the logits", needs=["forward"])
def depth(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the greatest number of convolutions and linear layers on one path from the images to the logits.

    Raises:
        NoUnitsError: No layer ran.
        UndefinedError: torch hides the run of a layer.
    """
    recorder = Recorder(network, gradients=["conv_out"])
    with translated_errors(), fork_state(network), torch.enable_grad():
        logits, _ = recorded_forward(network, minibatch.images[:2], recorder)
    check_recorded(recorder)
    layers = {layer.conv_out.edge.node for layer in require_layers(recorder.layers) if layer.conv_out.edge is not None}
    depths: dict[Any, int] = {}
    stack: list[tuple[Any, bool]] = [(logits.grad_fn, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            below = [depths[argument] for argument, _ in node.next_functions if argument is not None]
            depths[node] = max(below, default=0) + (node in layers)
        elif node is not None and node not in depths:
            stack.append((node, True))
            stack += [(argument, False) for argument, _ in node.next_functions if argument is not None]
    return float(depths.get(logits.grad_fn, 0))


class _Counter(Recorder):
    """Records layers, and for other convolutions their numbers and the products of each.

    The numbers are those of the output, or of the input of a transposed convolution.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.others: list[tuple[int, int]] = []

    def other(self, call: Call) -> Any:
        out = super().other(call)
        if call.name in ("conv1d", "conv3d") or call.name.startswith("conv_transpose"):
            numbers: Tensor = call.input if "transpose" in call.name else out
            self.others.append((numbers.numel(), math.prod(call.argument(1, "weight").shape[1:])))
        return out
