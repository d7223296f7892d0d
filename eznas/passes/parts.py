"""The parts of ``NetworkPasses`` that measures read, as a table of facts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PARTS", "WEIGHT_PARTS", "Part"]


@dataclass(frozen=True)
class Part:
    """Facts about one part.

    Args:
        needs: The passes and data that it needs; see ``Measure``.
        results: The shared results from which it is computed: ``"forward"``, ``"loss_gradients"``.
        splits: Whether the minibatch may run a few images at a time: the part has a row for each image, is a mean over
            images, or never reads more than a few of them.
    """

    needs: frozenset[str]
    results: frozenset[str]
    splits: bool


PARTS: dict[str, Part] = {
    name: Part(frozenset(needs.split(", ")), frozenset(results.split()), splits)
    for name, needs, results, splits in (
        ("logits", "forward", "forward", True),
        ("patterns", "forward", "forward", True),
        ("outputs", "forward", "forward", False),
        ("features", "forward", "forward", False),
        ("feature_gradients", "forward, backward", "forward", False),
        ("image_gradients", "forward, backward", "forward", True),
        ("weight_gradients", "forward, backward, labels", "forward loss_gradients", True),
        ("layer_gradients", "forward, backward, labels", "forward loss_gradients", False),
        ("curvature", "forward, backward, labels, second order", "forward loss_gradients", False),
        ("sample_logit_gradients", "forward, backward, samples", "forward", False),
        ("sample_loss_gradients", "forward, backward, labels, samples", "", True),
        ("half_gradients", "forward, backward, labels, batches", "", False),
        ("noise_outputs", "forward, noise", "", True),
        ("linearised", "forward, backward", "", True),
        ("linearised_normalised", "forward, backward", "", True),
    )
}
"""Every part by the name of its method of ``NetworkPasses``."""

WEIGHT_PARTS = frozenset({"weight_gradients", "curvature"})
"""The parts that differentiate with respect to the weights of the layers."""
