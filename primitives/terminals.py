"""The terminals of the language: named statistics of a unit.

A statistic is a quantity on a scenario, written ``quantity.scenario``. A *unit* is one convolution (or linear
layer) with the activation in front of it and the normalisation behind it::

    input --activation--> conv_in --convolution--> conv_out --normalisation--> norm_out

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

from eznas.primitives.kinds import Kind

__all__ = ["ALIASES", "QUANTITIES", "SCENARIOS", "STATISTICS", "Statistic"]

SCENARIOS: dict[str, str] = {
    "data": "the minibatch; gradients of the sum of all logits",
    "noise": "Gaussian noise of the minibatch's shape; gradients of the sum of all logits",
    "perturbed": "the difference that noise of a tenth of a standard deviation makes, added to the minibatch",
    "loss": "the minibatch; gradients of the mean cross-entropy with the labels",
}
"""What the network was run on, and what was differentiated."""

QUANTITIES: dict[str, tuple[Kind, str]] = {
    "weight": (Kind.WEIGHT, "the convolution's weight"),
    "weight_grad": (Kind.WEIGHT, "gradient with respect to the weight"),
    "input": (Kind.INPUT, "what enters the activation in front of the convolution"),
    "input_grad": (Kind.INPUT, "gradient with respect to that, through this activation alone"),
    "conv_in": (Kind.INPUT, "what enters the convolution"),
    "conv_in_grad": (Kind.INPUT, "gradient with respect to that, through this convolution alone"),
    "conv_out": (Kind.OUTPUT, "what leaves the convolution"),
    "conv_out_grad": (Kind.OUTPUT, "gradient with respect to that"),
    "norm_out": (Kind.OUTPUT, "what leaves the normalisation behind the convolution"),
    "norm_out_grad": (Kind.OUTPUT, "gradient with respect to that"),
    "image": (Kind.IMAGE, "the images that enter the network"),
    "image_grad": (Kind.IMAGE, "gradient with respect to the images"),
}
"""Each quantity's kind and what it is."""

_REFERENCE_ORDER = (
    "norm_out_grad.perturbed",
    "weight",
    "weight_grad.data",
    "weight_grad.noise",
    "weight_grad.perturbed",
    "input.data",
    "input.noise",
    "input.perturbed",
    "input_grad.data",
    "input_grad.noise",
    "input_grad.perturbed",
    "conv_in.data",
    "conv_in.noise",
    "conv_in.perturbed",
    "conv_in_grad.data",
    "conv_in_grad.noise",
    "conv_in_grad.perturbed",
    "norm_out.data",
    "norm_out.noise",
    "norm_out.perturbed",
    "norm_out_grad.data",
    "norm_out_grad.noise",
)  # fmt: skip - positional arguments as [EZNAS]'s released code resolves them


@dataclass(frozen=True)
class Statistic:
    """One named tensor of a unit.

    Args:
        quantity: A key of ``QUANTITIES``.
        scenario: A key of ``SCENARIOS``, or empty where the quantity does not depend on one.
        kind: The kind of the tensor.
        description: What it is, for people.
        reference_index: The positional argument that it is in [EZNAS]'s released code, or None.
    """

    quantity: str
    scenario: str
    kind: Kind
    description: str
    reference_index: int | None

    @property
    def name(self) -> str:
        """The name in program text."""
        return f"{self.quantity}.{self.scenario}" if self.scenario else self.quantity

    @property
    def is_gradient(self) -> bool:
        """Whether a backward pass is needed."""
        return self.quantity.endswith("_grad")


def _statistics() -> dict[str, Statistic]:
    made = []
    for quantity, (kind, description) in QUANTITIES.items():
        if quantity == "weight":
            made.append((quantity, "", kind, description))
            continue
        for scenario, meaning in SCENARIOS.items():
            if scenario == "loss" and not quantity.endswith("_grad"):
                continue  # the forward pass is that of ``data``
            made.append((quantity, scenario, kind, f"{description}; on {meaning}"))
    order = {name: index for index, name in enumerate(_REFERENCE_ORDER)}
    statistics = {}
    for quantity, scenario, kind, description in made:
        name = f"{quantity}.{scenario}" if scenario else quantity
        statistics[name] = Statistic(quantity, scenario, kind, description, order.get(name))
    return statistics


STATISTICS: dict[str, Statistic] = _statistics()
"""Every statistic by name."""

ALIASES: dict[str, str] = {
    name.replace(quantity, old, 1): name
    for old, quantity in (("preact", "conv_in"), ("act", "norm_out"))
    for name, statistic in STATISTICS.items()
    if statistic.quantity.removesuffix("_grad") == quantity
}
"""Older names of statistics, which program text may still use."""
