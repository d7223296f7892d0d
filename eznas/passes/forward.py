"""One forward pass with its graph, which several gradients share."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.nn.attention import SDPBackend, sdpa_kernel

from eznas.capture import fork_state
from eznas.capture.statistics import recorded_forward
from eznas.passes.blocks import features_recorded
from eznas.passes.gradients import check_finite
from eznas.passes.parts import WEIGHT_PARTS
from eznas.passes.recorder import PassRecorder
from eznas.passes.weights import layer_weights, named_weights

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor, nn

    from eznas.passes.blocks import Feature


@dataclass(frozen=True)
class Forward:
    """One forward pass with its graph.

    Args:
        logits: ``b x classes``.
        images: The leaf of the graph, ``b x c x h x w``.
        recorder: Holds the layers, outputs and patterns.
        features: The outputs of the blocks.
        weights: The layers' weights, detached, each once; empty where no part differentiates with respect to them.
        edges: For each weight, the edge of the graph at which its gradient arrives.
    """

    logits: Tensor
    images: Tensor
    recorder: PassRecorder
    features: list[Feature]
    weights: list[Tensor]
    edges: list[Any]


def run_forward(network: nn.Module, images: Tensor, parts: Collection[str], grads_enabled: list[Tensor]) -> Forward:
    """Run a network forward in the random state of ``fork_state``, with copies of its buffers.

    Args:
        network: It is left as it was, except for ``grads_enabled``.
        images: ``b x c x h x w``, on the network's device.
        parts: The parts that will be read: names of ``PARTS``.
        grads_enabled: Weights that are made to require a gradient are added; the caller resets them.

    Raises:
        RecordError: The network cannot be recorded.
        UndefinedError: Its logits are not finite.
    """
    own = layer_weights(network) if WEIGHT_PARTS.intersection(parts) else []
    read = [*own, *(named_weights(network) if "sample_logit_gradients" in parts else ())]
    grads_enabled.extend(weight.requires_grad_() for weight in read if not weight.requires_grad)
    recorder = PassRecorder(network, len(images), parts)
    recorder.grads_enabled = grads_enabled
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    recording: contextlib.AbstractContextManager[list[Feature]] = (
        features_recorded(network) if "features" in parts else contextlib.nullcontext([])
    )
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # the fused kernels have no second derivatives
    with fork_state(network), plain_attention, recording as features:
        logits, leaf = recorded_forward(network, images, recorder, buffers)
    check_finite("the network's logits", [logits])
    weights: dict[int, tuple[Tensor, Any]] = {}
    for layer in recorder.layers:
        if layer.weight.edge is not None:
            weights.setdefault(id(layer.weight.edge), (layer.weight.value, layer.weight.edge))
    for weight in own:
        weights.setdefault(id(weight), (weight.detach(), weight))
    return Forward(
        logits,
        leaf,
        recorder,
        features,
        [value for value, _ in weights.values()],
        [edge for _, edge in weights.values()],
    )
