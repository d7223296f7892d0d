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


def _of_samples(sizes: Sizes) -> float:
    return sizes.images * (sizes.forward(1) + sizes.backward(1, weights=True))


def _of_halves(sizes: Sizes) -> float:
    return 2 * (sizes.forward(sizes.images / 2) + sizes.backward(sizes.images / 2, weights=True))


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


def _double_bytes(sizes: PassBytes) -> float:
    """Return the bytes of a pass over one image in double precision, and of weights and gradients."""
    return 2 * sizes.graph / sizes.images + 4 * sizes.weights


for _name, _needs, _results, _splits, _seconds, _graph, _bytes in (
    ("logits", "forward", "forward", True, _nothing, Graph.UNREAD, _no_bytes),
    ("patterns", "forward", "forward", True, _nothing, Graph.UNREAD, lambda sizes: sizes.patterns + sizes.largest),
    ("outputs", "forward", "forward", False, _nothing, Graph.UNREAD, _outputs),
    ("map_outputs", "forward", "forward", False, _nothing, Graph.UNREAD, lambda sizes: 2 * sizes.largest),
    ("features", "forward", "forward", False, _nothing, Graph.UNREAD, _features),
    ("feature_gradients", "forward, backward", "forward", False, _backward, Graph.WHOLE, _features),
    ("image_gradients", "forward, backward", "forward", True, _backward, Graph.ONCE, _no_bytes),
    (
        "weight_gradients",
        "forward, backward, labels",
        "forward loss_gradients",
        True,
        _gradients,
        Graph.ONCE,
        lambda sizes: sizes.weights,
    ),
    (
        "layer_gradients",
        "forward, backward, labels",
        "forward loss_gradients",
        False,
        _nothing,
        Graph.WHOLE,
        lambda sizes: 2 * sizes.outputs,
    ),
    ("attentions", "forward", "forward", False, _nothing, Graph.UNREAD, lambda sizes: 2 * sizes.maps),
    ("roles", "forward", "forward", False, _nothing, Graph.UNREAD, _outputs),
    (
        "role_gradients",
        "forward, backward",
        "forward roles",
        False,
        _backward,
        Graph.WHOLE,
        lambda sizes: sizes.weights,
    ),
    ("absolute_gradients", "forward, backward", "", False, _absolute, Graph.UNREAD, _double_bytes),
    (
        "attention_gradients",
        "forward, backward, labels",
        "forward loss_gradients",
        False,
        _nothing,
        Graph.WHOLE,
        lambda sizes: 2 * sizes.maps,
    ),
    (
        "curvature",
        "forward, backward, labels, second order",
        "forward",
        False,
        lambda sizes: sizes.backward() + 2 * sizes.backward(weights=True) + 3 * sizes.weights * GRADIENT,
        Graph.WHOLE,
        lambda sizes: 2 * sizes.graph + 3 * sizes.weights,  # the graphs of the gradients
    ),
    (
        "sample_logit_gradients",
        "forward, backward, samples",
        "forward",
        False,
        lambda sizes: sizes.images * sizes.backward(weights=True),
        Graph.WHOLE,
        lambda sizes: 2 * sizes.images * sizes.weights,
    ),
    (
        "sample_loss_gradients",
        "forward, backward, labels, samples",
        "",
        True,
        _of_samples,
        Graph.UNREAD,
        lambda sizes: sizes.graph / sizes.images + 3 * sizes.weights,
    ),
    (
        "half_gradients",
        "forward, backward, labels, batches",
        "",
        False,
        _of_halves,
        Graph.UNREAD,
        lambda sizes: sizes.graph / 2 + 3 * sizes.weights,
    ),
    (
        "noise_outputs",
        "forward, noise",
        "",
        True,
        lambda sizes: sizes.forward(2),
        Graph.UNREAD,
        lambda sizes: 2 * sizes.outputs / sizes.images,
    ),
    ("linearised", "forward, backward", "", True, _absolute, Graph.UNREAD, _double_bytes),
    ("linearised_normalised", "forward, backward", "", True, _absolute, Graph.UNREAD, _double_bytes),
):
    _record = Part(_name, frozenset(_needs.split(", ")), frozenset(_results.split()), _splits, _seconds, _graph, _bytes)
    PARTS.register(_record)

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
