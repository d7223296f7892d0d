"""The parts of ``NetworkPasses`` that measures read, as a table of facts."""

from __future__ import annotations

from dataclasses import dataclass

from eznas.registry import Registry


@dataclass(frozen=True)
class Part:
    """Facts about one part.

    Args:
        name: The name of its method of ``NetworkPasses``.
        needs: The passes and data that it needs; see ``Measure``.
        results: The shared results from which it is computed: ``"forward"``, ``"loss_gradients"``.
        splits: Whether the minibatch may run a few images at a time: the part has a row for each image, is a mean over
            images, or never reads more than a few of them.
    """

    name: str
    needs: frozenset[str]
    results: frozenset[str]
    splits: bool


PARTS: Registry[Part] = Registry("part", lambda part: part.name)
"""Every part."""

for _name, _needs, _results, _splits in (
    ("logits", "forward", "forward", True),
    ("patterns", "forward", "forward", True),
    ("outputs", "forward", "forward", False),
    ("features", "forward", "forward", False),
    ("feature_gradients", "forward, backward", "forward", False),
    ("image_gradients", "forward, backward", "forward", True),
    ("weight_gradients", "forward, backward, labels", "forward loss_gradients", True),
    ("layer_gradients", "forward, backward, labels", "forward loss_gradients", False),
    ("attentions", "forward", "forward", False),
    ("roles", "forward", "forward", False),
    ("role_gradients", "forward, backward", "forward roles", False),
    ("absolute_gradients", "forward, backward", "", False),
    ("attention_gradients", "forward, backward, labels", "forward loss_gradients", False),
    ("curvature", "forward, backward, labels, second order", "forward loss_gradients", False),
    ("sample_logit_gradients", "forward, backward, samples", "forward", False),
    ("sample_loss_gradients", "forward, backward, labels, samples", "", True),
    ("half_gradients", "forward, backward, labels, batches", "", False),
    ("noise_outputs", "forward, noise", "", True),
    ("linearised", "forward, backward", "", True),
    ("linearised_normalised", "forward, backward", "", True),
):
    PARTS.register(Part(_name, frozenset(_needs.split(", ")), frozenset(_results.split()), _splits))

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
