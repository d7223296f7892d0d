"""The sizes of a network's passes, from one forward pass of two images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.passes.network_passes import NetworkPasses
from eznas.passes.operations import OperationCounter
from eznas.passes.sizes import Sizes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.passes.sizes import Sides

_FEW = 2
"""Images of the pass; batch normalisation needs two."""


def sizes_of(network: nn.Module, minibatch: Minibatch) -> Sizes:
    """Return the sizes of a network's passes.

    Args:
        network: It runs forward on two images and is left as it was.
        minibatch: It may be on any device.

    Raises:
        CaptureError: The network cannot be recorded.
        Exception: Any exception of the network.
    """
    few = minibatch.take(min(_FEW, len(minibatch)))
    counter = OperationCounter()
    with (
        torch.inference_mode(mode=False),
        NetworkPasses(network, few, ["features", "outputs", "patterns", "roles"]) as passes,
    ):
        with counter:
            logits = passes.logits()
        recorder = passes.recorder
        images = len(few)
        roles = passes.roles()
        attention = [] if not any(roles.projections) else roles.attention_weights(outputs=True)
        hidden = roles.hidden_layers() if roles.feed_forwards else []
        return Sizes(
            images=len(minibatch),
            calls=counter.calls,
            products=(counter.products - counter.grouped) / images,
            grouped=counter.grouped / images,
            entries=counter.entries / images,
            weights=sum(parameter.numel() for parameter in network.parameters()),
            tensors=sum(1 for _ in network.parameters()),
            classes=logits.numel() // images,
            outputs=tuple(_sides(out.recorded.shape, images, last=out.channels_last) for out in recorder.outputs),
            patterns=sum(pattern.positive.shape[1] for pattern in recorder.patterns),
            features=tuple(
                (feature.tensor.numel() // (images * (channels := feature.channels)), channels)
                for feature in passes.features()
            ),
            attention=tuple((len(weight), weight.numel() // len(weight)) for weight in attention),
            hidden=tuple(_sides(run.out.recorded.shape, images, last=run.out.channels_last) for run in hidden),
        )


def _sides(shape: Iterable[int], images: int, *, last: bool) -> Sides:
    """Return the positions of an image, and the channels, of an output."""
    sizes = tuple(shape)
    channels = sizes[-1 if last else min(1, len(sizes) - 1)] if sizes else 1
    return math.prod(sizes) // max(channels * images, 1), channels
