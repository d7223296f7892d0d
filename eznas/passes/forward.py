"""One forward pass with its graph, which several gradients share."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.nn.attention import SDPBackend, sdpa_kernel

from eznas.capture import fork_state
from eznas.capture.attributes import reachable_buffers
from eznas.capture.statistics import recorded_forward
from eznas.passes.blocks import features_recorded
from eznas.passes.gradients import check_finite
from eznas.passes.parts import FOLLOWING_PARTS, WEIGHT_PARTS
from eznas.passes.recorder import PassRecorder
from eznas.passes.weights import enable_grads, layer_weights

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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
        weights: The layers' weights, each once; empty where no part differentiates with respect to them.
        named_weights: The weights of layers, normalisations, embeddings and PReLU, each once; empty where no part
            differentiates with respect to them.
    """

    logits: Tensor
    images: Tensor
    recorder: PassRecorder
    features: list[Feature]
    weights: list[Tensor]
    named_weights: list[Tensor]


def run_forward(
    network: nn.Module,
    images: Tensor,
    parts: Collection[str],
    grads_enabled: list[Tensor],
    where: str = "",
    *,
    recorder: PassRecorder | None = None,
    buffers: Mapping[int, Tensor] | None = None,
) -> Forward:
    """Run a network forward in the random state of ``fork_state``, with copies of its buffers.

    Args:
        network: It is left as it was, except for ``grads_enabled``.
        images: ``b x c x h x w``, on the network's device.
        parts: The parts that will be read: names of ``PARTS``.
        grads_enabled: Weights that are made to require a gradient are added; the caller resets them.
        where: On which images it runs, as ``running`` takes it; empty for the whole minibatch.
        recorder: A new recorder of these parts; None to make one.
        buffers: Copies of the network's buffers, by the identity of these; None to make them.

    Raises:
        RecordError: The network cannot be recorded.
        UndefinedError: Its logits are not finite.
    """
    if FOLLOWING_PARTS.intersection(parts):
        enable_grads(network, grads_enabled)
    recorder = PassRecorder(network, len(images), parts) if recorder is None else recorder
    if buffers is None:
        buffers = {id(buffer): buffer.clone() for buffer in reachable_buffers(network)}
    recording: contextlib.AbstractContextManager[list[Feature]] = (
        features_recorded(network) if "features" in parts else contextlib.nullcontext([])
    )
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # the fused kernels have no second derivatives
    with fork_state(network), plain_attention, recording as features:
        logits, leaf = recorded_forward(network, images, recorder, buffers, where=where)
    check_finite("the network's logits", [logits])
    finder = recorder.finder
    weights = finder.all_weights(layer_weights(network)) if WEIGHT_PARTS.intersection(parts) else []
    named = finder.named_weights() if "sample_logit_gradients" in parts else []
    return Forward(logits, leaf, recorder, features, weights, named)
