"""One forward pass with its graph, from which shared gradients come."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.nn.attention import SDPBackend, sdpa_kernel

from eznas.capture import preserved
from eznas.capture.statistics import watched_forward
from eznas.errors import UndefinedError
from eznas.passes.blocks import features_recorded
from eznas.passes.recorder import PassRecorder, layer_weights, named_weights

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from torch import Tensor, nn

    from eznas.passes.blocks import Feature

__all__ = ["OF_WEIGHTS", "Forward", "check_finite", "reachable", "run_forward"]

OF_WEIGHTS = frozenset({"weight_gradients", "curvature"})
"""The parts of ``NetworkPasses`` that read gradients of the layers' weights."""


@dataclass(frozen=True)
class Forward:
    """One forward pass with its graph.

    Args:
        logits: ``b x classes``.
        images: The leaf of the graph, ``b x c x h x w``.
        watch: What was recorded.
        features: What left the blocks.
        weights: Where the gradients of the weights arrive, each once; empty where they are not read.
        values: The weights themselves, detached.
    """

    logits: Tensor
    images: Tensor
    watch: PassRecorder
    features: list[Feature]
    weights: list[Any]
    values: list[Tensor]


def run_forward(network: nn.Module, images: Tensor, parts: Collection[str], grads_enabled: list[Tensor]) -> Forward:
    """Run a network forward in the fixed random state, with copies of its buffers.

    Args:
        network: Left as it was found, but for ``grads_enabled``.
        images: ``b x c x h x w``, on its device.
        parts: What is going to be read, of ``PARTS``.
        grads_enabled: Where the weights are added that were made to require a gradient; the caller resets them.

    Raises:
        RecordError: The network cannot be recorded.
        UndefinedError: It gives logits that are not finite.
    """
    own = layer_weights(network) if OF_WEIGHTS.intersection(parts) else []
    read = [*own, *(named_weights(network) if "sample_gradients" in parts else ())]
    grads_enabled.extend(weight.requires_grad_() for weight in read if not weight.requires_grad)
    watch = PassRecorder(network, len(images), parts)
    watch.grads_enabled = grads_enabled
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    recording: contextlib.AbstractContextManager[list[Feature]] = (
        features_recorded(network) if "features" in parts else contextlib.nullcontext([])
    )
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # the fused kernels have no second derivatives
    with preserved(network), plain_attention, recording as features:
        logits, leaf = watched_forward(network, images, watch, buffers)
    check_finite("the network's logits", [logits])
    weights: dict[int, tuple[Any, Tensor]] = {}
    for layer in watch.layers:
        if layer.weight.edge is not None:
            weights.setdefault(id(layer.weight.edge), (layer.weight.edge, layer.weight.value))
    for weight in own:
        weights.setdefault(id(weight), (weight, weight.detach()))
    edges, values = [edge for edge, _ in weights.values()], [value for _, value in weights.values()]
    return Forward(logits, leaf, watch, features, edges, values)


def check_finite(what: str, tensors: Iterable[Tensor]) -> None:
    """Raise where NaN or an infinity came out, which counts and signs would hide."""
    if not all(bool(one.isfinite().all()) for one in tensors):
        raise UndefinedError(f"{what} must be finite; the network computes NaN or an infinity")


def reachable(root: Any) -> set[Any]:
    """Return every node of the graph that a backward pass from ``root`` visits."""
    found = {root} if root is not None else set()
    stack = list(found)
    while stack:
        for node, _ in getattr(stack.pop(), "next_functions", ()):
            if node is not None and node not in found:
                found.add(node)
                stack.append(node)
    return found
