"""The parts of ``NetworkPasses`` that measures read, as a table of facts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.passes.sizes import DOUBLE, GRADIENT
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.passes.sizes import Sizes


@dataclass(frozen=True)
class PassBytes:
    """The bytes of a network's tensors in passes over the whole minibatch.

    Args:
        images: Images of the minibatch.
        graph: The tensors that a forward pass saves for its backward pass.
        outputs: The outputs of all layers, normalisations and activations.
        largest: The largest of these.
        patterns: The signs of the inputs of all activations.
        features: The outputs of all blocks.
        maps: The attention maps.
        weights: All parameters.
    """

    images: int
    graph: int
    outputs: int
    largest: int
    patterns: int
    features: int
    maps: int
    weights: int


class Graph(enum.Enum):
    """How the backward passes of a part read the graph of the forward pass that parts share."""

    UNREAD = "unread"
    """No backward pass reads it."""
    ONCE = "once"
    """One backward pass reads it from end to beginning, so that its tensors may be computed again."""
    WHOLE = "whole"
    """Several backward passes read it, or second derivatives."""


@dataclass(frozen=True)
class Part:
    """Facts about one part.

    Args:
        name: The name of its method of ``NetworkPasses``.
        needs: The passes and data that it needs; see ``Measure``.
        results: The shared results from which it is computed: ``"forward"``, ``"loss_gradients"``.
        splits: Whether the minibatch may run a few images at a time: the part has a row for each image, is a mean over
            images, or never reads more than a few of them.
        seconds: Estimates the time that it takes beside the shared results.
        graph: How it reads the graph of the shared forward pass.
        bytes: Estimates the memory that it takes beside this graph, in ``BoundedPasses``.
    """

    name: str
    needs: frozenset[str]
    results: frozenset[str]
    splits: bool
    seconds: Callable[[Sizes], float]
    graph: Graph
    bytes: Callable[[PassBytes], float]


PARTS: Registry[Part] = Registry("part", lambda part: part.name)
"""Every part."""


def _nothing(_: Sizes) -> float:
    return 0.0


def _backward(sizes: Sizes) -> float:
    return sizes.backward()


def _gradients(sizes: Sizes) -> float:
    return 2 * sizes.weights * GRADIENT


def _absolute(sizes: Sizes) -> float:
    return sizes.forward(1, DOUBLE) + sizes.backward(1, DOUBLE, weights=True) + sizes.weights * GRADIENT


RESULTS: dict[str, Callable[[Sizes], float]] = {
    "forward": lambda sizes: sizes.forward(),
    "loss_gradients": _backward,
    "roles": _nothing,
}
"""The seconds of each shared result."""


def _no_bytes(_: PassBytes) -> float:
    return 0.0


def _outputs(sizes: PassBytes) -> float:
    return sizes.outputs


def _features(sizes: PassBytes) -> float:
    return sizes.features


def _weights(sizes: PassBytes) -> float:
    return sizes.weights


def _maps(sizes: PassBytes) -> float:
    return 2 * sizes.maps


def _double_bytes(sizes: PassBytes) -> float:
    """Return the bytes of a pass over one image in double precision, and of weights and gradients."""
    return 2 * sizes.graph / sizes.images + 4 * sizes.weights


def _register(
    name: str,
    needs: str,
    results: str = "forward",
    *,
    splits: bool = False,
    seconds: Callable[[Sizes], float] = _nothing,
    graph: Graph = Graph.UNREAD,
    size: Callable[[PassBytes], float] = _no_bytes,
) -> None:
    """Register a part, see ``Part``; commas separate the needs and the results."""
    PARTS.register(Part(name, _names(needs), _names(results), splits, seconds, graph, size))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split(", ") if text else ())


_GRADIENTS = "forward, loss_gradients"

_register("logits", "forward", splits=True)
_register("patterns", "forward", splits=True, size=lambda sizes: sizes.patterns + sizes.largest)
_register("outputs", "forward", size=_outputs)
_register("map_outputs", "forward", size=lambda sizes: 2 * sizes.largest)
_register("features", "forward", size=_features)
_register("feature_gradients", "forward, backward", seconds=_backward, graph=Graph.WHOLE, size=_features)
_register("image_gradients", "forward, backward", splits=True, seconds=_backward, graph=Graph.ONCE)
_register(
    "weight_gradients",
    "forward, backward, labels",
    _GRADIENTS,
    splits=True,
    seconds=_gradients,
    graph=Graph.ONCE,
    size=_weights,
)
_register(
    "layer_gradients", "forward, backward, labels", _GRADIENTS, graph=Graph.WHOLE, size=lambda sizes: 2 * sizes.outputs
)
_register("attentions", "forward", size=_maps)
_register("roles", "forward", size=_outputs)
_register("role_gradients", "forward, backward", "forward, roles", seconds=_backward, graph=Graph.WHOLE, size=_weights)
_register("absolute_gradients", "forward, backward", "", seconds=_absolute, size=_double_bytes)
_register("attention_gradients", "forward, backward, labels", _GRADIENTS, graph=Graph.WHOLE, size=_maps)
_register(
    "curvature",
    "forward, backward, labels, second order",
    seconds=lambda sizes: sizes.backward() + 2 * sizes.backward(weights=True) + 3 * sizes.weights * GRADIENT,
    graph=Graph.WHOLE,
    size=lambda sizes: 2 * sizes.graph + 3 * sizes.weights,  # the graphs of the gradients
)
_register(
    "sample_logit_gradients",
    "forward, backward, samples",
    seconds=lambda sizes: sizes.images * sizes.backward(weights=True),
    graph=Graph.WHOLE,
    size=lambda sizes: 2 * sizes.images * sizes.weights,
)
_register(
    "sample_loss_gradients",
    "forward, backward, labels, samples",
    "",
    splits=True,
    seconds=lambda sizes: sizes.images * (sizes.forward(1) + sizes.backward(1, weights=True)),
    size=lambda sizes: sizes.graph / sizes.images + 3 * sizes.weights,
)
_register(
    "half_gradients",
    "forward, backward, labels, batches",
    "",
    seconds=lambda sizes: 2 * (sizes.forward(sizes.images / 2) + sizes.backward(sizes.images / 2, weights=True)),
    size=lambda sizes: sizes.graph / 2 + 3 * sizes.weights,
)
_register(
    "noise_outputs",
    "forward, noise",
    "",
    splits=True,
    seconds=lambda sizes: sizes.forward(2),
    size=lambda sizes: 2 * sizes.outputs / sizes.images,
)
for _name in ("linearised", "linearised_normalised"):
    _register(_name, "forward, backward", "", splits=True, seconds=_absolute, size=_double_bytes)

WEIGHT_PARTS = frozenset({"weight_gradients", "curvature"})
"""The parts that differentiate with respect to the weights of the layers."""

FOLLOWING_PARTS = WEIGHT_PARTS | {
    "attention_gradients",
    "layer_gradients",
    "outputs",
    "roles",
    "sample_logit_gradients",
}
"""The parts for which all parameters require gradients, so that weights are followed to the parameters behind them."""
