"""The parts of ``NetworkPasses`` that measures read, as a table of facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.passes.sizes import DOUBLE, GRADIENT
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.passes.sizes import Sizes


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
    """

    name: str
    needs: frozenset[str]
    results: frozenset[str]
    splits: bool
    seconds: Callable[[Sizes], float]


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

for _name, _needs, _results, _splits, _seconds in (
    ("logits", "forward", "forward", True, _nothing),
    ("patterns", "forward", "forward", True, _nothing),
    ("outputs", "forward", "forward", False, _nothing),
    ("features", "forward", "forward", False, _nothing),
    ("feature_gradients", "forward, backward", "forward", False, _backward),
    ("image_gradients", "forward, backward", "forward", True, _backward),
    ("weight_gradients", "forward, backward, labels", "forward loss_gradients", True, _gradients),
    ("layer_gradients", "forward, backward, labels", "forward loss_gradients", False, _nothing),
    ("attentions", "forward", "forward", False, _nothing),
    ("roles", "forward", "forward", False, _nothing),
    ("role_gradients", "forward, backward", "forward roles", False, _backward),
    ("absolute_gradients", "forward, backward", "", False, _absolute),
    ("attention_gradients", "forward, backward, labels", "forward loss_gradients", False, _nothing),
    (
        "curvature",
        "forward, backward, labels, second order",
        "forward",
        False,
        lambda sizes: sizes.backward() + 2 * sizes.backward(weights=True) + 3 * sizes.weights * GRADIENT,
    ),
    (
        "sample_logit_gradients",
        "forward, backward, samples",
        "forward",
        False,
        lambda sizes: sizes.images * sizes.backward(weights=True),
    ),
    ("sample_loss_gradients", "forward, backward, labels, samples", "", True, _of_samples),
    ("half_gradients", "forward, backward, labels, batches", "", False, _of_halves),
    ("noise_outputs", "forward, noise", "", True, lambda sizes: sizes.forward(2)),
    ("linearised", "forward, backward", "", True, _absolute),
    ("linearised_normalised", "forward, backward", "", True, _absolute),
):
    _record = Part(_name, frozenset(_needs.split(", ")), frozenset(_results.split()), _splits, _seconds)
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
