"""How large a network is: parameters and multiply-accumulates, the baselines that every proxy has to beat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from eznas.capture import explained, preserved
from eznas.capture.record import Recorder, argument
from eznas.capture.statistics import watched_forward
from eznas.measures import register_measure
from eznas.passes.recorder import check_seen, of_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["flops", "params"]


@register_measure(name="params", paper="", formula="number of trainable parameters")
def params(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the number of the network's parameters that require a gradient; ``minibatch`` is not read."""
    del minibatch
    return float(sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad))


@register_measure(
    name="flops",
    paper="",
    formula="multiply-accumulates of one image in convolutions and linear layers",
    needs=["forward"],
)
def flops(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the multiply-accumulates of one image's forward pass.

    Counted are convolutions, transposed ones too, and linear layers, one multiply-accumulate as one; biases,
    normalisations, activations, poolings and products that are written as such, as in attention, are not. Batch
    normalisation's statistics need more than one image, so two are run where there are two.

    Raises:
        NoUnitsError: No layer ran.
        UndefinedError: A layer ran unseen.
    """
    images, recorder = minibatch.images[:2], _Counter(network)
    with explained(), preserved(network), torch.no_grad():
        watched_forward(network, images, recorder)
    check_seen(recorder)
    # over all axes: windows and tokens may stand beside the images on the first
    outputs = [(math.prod(layer.leaving.shape), math.prod(layer.weight.shape[1:])) for layer in recorder.layers]
    counted = of_layers(outputs + recorder.others)
    return float(sum(numbers // len(images) * products for numbers, products in counted))


class _Counter(Recorder):
    """Records layers, and of convolutions that are no units the numbers that each makes and the products for one.

    A transposed one multiplies each number that enters it, any other makes each that leaves it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.others: list[tuple[int, int]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = super().__torch_function__(func, types, args, kwargs)
        name: str = getattr(func, "__name__", "")
        if name in ("conv1d", "conv3d") or name.startswith("conv_transpose"):
            numbers = argument(args, kwargs or {}, 0, "input") if "transpose" in name else out
            weight = argument(args, kwargs or {}, 1, "weight")
            self.others.append((numbers.numel(), math.prod(weight.shape[1:])))
        return out
