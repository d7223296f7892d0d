"""Parameters, multiply-accumulates and depth, the baselines of every proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from eznas.capture import NoUnitsError, fork_state, translated_errors
from eznas.capture.record import Recorder
from eznas.capture.statistics import recorded_forward
from eznas.errors import NETWORK_FAILURES
from eznas.measures import register_measure
from eznas.passes.operations import OperationCounter
from eznas.passes.recorder import PassRecorder, check_recorded
from eznas.passes.weights import enable_grads, require_layers

if TYPE_CHECKING:
    from eznas.capture.call import Call
    from eznas.minibatch import Minibatch


@register_measure(formula="number of trainable parameters", seconds=lambda _: 1e-4)
def params(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the number of the network's parameters that require a gradient."""
    del minibatch  # not read
    return float(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))


@register_measure(
    formula="number of multiply-accumulate operations in the forward pass of one image",
    needs=["forward"],
    seconds=lambda sizes: sizes.forward(1),
)
def flops(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the multiply-accumulates of the forward pass of one image; one multiply-accumulate counts as one.

    Convolutions of all kinds, linear, bilinear and recurrent layers and products of matrices count, among them those of
    attention: half of the operations that ``torch.utils.flop_counter`` counts. Biases, normalisations, activations and
    poolings do not. One image runs. If the network raises with a single image, two and three images run, and the
    difference is the count of one more image.

    Raises:
        NoUnitsError: The network has no layer.
    """
    images = minibatch.images[:1]
    try:
        count = _count(network, images)
    except NETWORK_FAILURES:
        two = _count(network, torch.cat([images] * 2))
        count = 2 * two - _count(network, torch.cat([images] * 3))
    if not count:
        raise NoUnitsError("the network must have a convolution or a linear layer; it has none")
    return float(count)


@register_measure(
    formula="greatest number of layers with weights on one path to the logits",
    needs=["forward"],
    seconds=lambda sizes: sizes.forward(2),
)
def depth(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the greatest number of convolutions and linear layers on one path from the images to the logits.

    Raises:
        NoUnitsError: No layer ran.
        UndefinedError: torch hides the run of a layer.
    """
    recorder = PassRecorder(network, len(minibatch.images[:2]), {"layer_gradients"})
    grads_enabled: list[Tensor] = []
    enable_grads(network, grads_enabled)
    try:
        with translated_errors(), fork_state(network), torch.enable_grad():
            logits, _ = recorded_forward(network, minibatch.images[:2], recorder)
    finally:
        for parameter in grads_enabled:
            parameter.requires_grad_(False)
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


def _count(network: nn.Module, images: Tensor) -> int:
    """Return the multiply-accumulates of one forward pass."""
    counter = OperationCounter()
    with translated_errors(), fork_state(network), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        recorded_forward(network, images, _Unnormalised(network))
    return counter.products


class _Unnormalised(Recorder):
    """Skips the normalisations over images, which may need more than one."""

    def normalisation(self, call: Call) -> Any:
        return call.input.clone() if call.name in ("batch_norm", "instance_norm") else super().normalisation(call)
