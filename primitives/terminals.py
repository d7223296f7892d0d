"""The terminals of the language: named statistics of a unit.

A statistic is a quantity on a scenario, written ``quantity.scenario``. A *unit* is one layer with the activation in
front of it and the normalisation behind it; ``eznas.capture.capture`` says what they are in a network on tokens::

    input --activation--> conv_in --convolution--> conv_out --normalisation--> norm_out

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

from eznas.primitives.kinds import Kind


@dataclass(frozen=True)
class Scenario:
    """One way to run the network.

    Args:
        name: The name in program text.
        images: The images that the network is run on.
        objective: The number whose gradients are taken.
        forward: The scenario whose forward pass it shares, or its own.
        minus: The scenario whose values are subtracted, or empty.
        needs: Its inputs beside the minibatch's images: ``"noise"``, ``"labels"``.
        latex: Template for the formula of a quantity.
    """

    name: str
    images: str
    objective: str
    forward: str
    minus: str = ""
    needs: frozenset[str] = frozenset()
    latex: str = "{0}"


_LOGITS = "the sum of all logits"

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("data", "the minibatch", _LOGITS, forward="data"),
        Scenario(
            "noise",
            "Gaussian noise of the minibatch's shape",
            _LOGITS,
            forward="noise",
            needs=frozenset({"noise"}),
            latex=r"{{{0}^{{\mathrm{{noise}}}}}}",
        ),
        Scenario(
            "perturbed",
            "the minibatch plus Gaussian noise of standard deviation 0.1",
            _LOGITS,
            forward="perturbed",
            minus="data",
            needs=frozenset({"noise"}),
            latex=r"{{\Delta {0}}}",
        ),
        Scenario(
            "loss",
            "the minibatch",
            "the mean cross-entropy with the labels",
            forward="data",
            needs=frozenset({"labels"}),
            latex=r"{{{0}^{{\mathrm{{loss}}}}}}",
        ),
    )
}
"""How the network is run, by name."""


@dataclass(frozen=True)
class Quantity:
    """One tensor of a unit, or its gradient.

    Args:
        name: The name in program text.
        kind: The kind of the tensor.
        description: Its definition.
        latex: Its symbol.
        place: Where it is read along the forward pass: 0 the network's images, 1 in front of the activation, 2 in front
            of the convolution, 3 the convolution's weight, 4 behind the convolution, 5 behind the normalisation.
        gradient_of: The quantity that the gradient is taken with respect to; empty for a value.
    """

    name: str
    kind: Kind
    description: str
    latex: str
    place: int
    gradient_of: str = ""


def _quantities() -> dict[str, Quantity]:
    quantities = {}
    for name, kind, symbol, place, value, gradient in (
        ("weight", Kind.WEIGHT, "W", 3, "weight of the convolution", ""),
        ("input", Kind.INPUT, "X", 1, "input of the activation", ", through this activation alone"),
        ("conv_in", Kind.INPUT, "Z", 2, "input of the convolution", ", through this convolution alone"),
        ("conv_out", Kind.OUTPUT, "Y", 4, "output of the convolution", ""),
        ("norm_out", Kind.OUTPUT, "A", 5, "output of the normalisation", ""),
        ("image", Kind.IMAGE, "I", 0, "images", ""),
    ):
        quantities[name] = Quantity(name, kind, value, symbol, place)
        description = f"gradient with respect to the {value}{gradient}"
        gradient_name = f"{name}_grad"
        quantities[gradient_name] = Quantity(
            gradient_name, kind, description, rf"\nabla_{{{symbol}}}", place, gradient_of=name
        )
    return quantities


QUANTITIES: dict[str, Quantity] = _quantities()
"""Every quantity by name."""

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
        reference_index: The positional argument that it is in [EZNAS]'s released code, or None.
    """

    quantity: str
    scenario: str
    reference_index: int | None = None

    @property
    def name(self) -> str:
        """The name in program text."""
        return f"{self.quantity}.{self.scenario}" if self.scenario else self.quantity

    @property
    def kind(self) -> Kind:
        """The kind of the tensor."""
        return QUANTITIES[self.quantity].kind

    @property
    def description(self) -> str:
        """Its definition in one line."""
        quantity = QUANTITIES[self.quantity].description
        if not self.scenario:
            return quantity
        scenario = SCENARIOS[self.scenario]
        if self.of_images_alone:
            subtracted = f", minus {SCENARIOS[scenario.minus].images}" if scenario.minus else ""
            return f"{quantity}: {scenario.images}{subtracted}"
        minus = f", minus the value on {SCENARIOS[scenario.minus].images}" if scenario.minus else ""
        return f"{quantity.replace('gradient', f'gradient of {scenario.objective}')}, on {scenario.images}{minus}"

    @property
    def latex(self) -> str:
        """Its symbol."""
        symbol = QUANTITIES[self.quantity].latex
        return SCENARIOS[self.scenario].latex.format(symbol) if self.scenario else symbol

    @property
    def is_gradient(self) -> bool:
        """Whether a backward pass is needed."""
        return bool(QUANTITIES[self.quantity].gradient_of)

    @property
    def needs(self) -> frozenset[str]:
        """The passes and inputs that recording takes: ``"forward"``, ``"backward"``, ``"noise"``, ``"labels"``."""
        of_scenario = SCENARIOS[self.scenario].needs if self.scenario else frozenset()
        return of_scenario | {"forward", *(["backward"] if self.is_gradient else [])}

    @property
    def of_images_alone(self) -> bool:
        """Whether it does not depend on the network."""
        return self.kind is Kind.IMAGE and not self.is_gradient

    @property
    def minus(self) -> str:
        """The statistic that is subtracted from the value on its scenario's images, or empty."""
        minus = SCENARIOS[self.scenario].minus if self.scenario else ""
        return f"{self.quantity}.{minus}" if minus else ""

    @property
    def forward_passes(self) -> frozenset[str]:
        """The scenarios whose forward passes it needs; the weight is read in any, so in that of ``data``."""
        own = SCENARIOS[self.scenario or "data"]
        return frozenset({own.forward, own.minus} - {""})

    @property
    def backward_passes(self) -> frozenset[str]:
        """The scenarios whose backward passes it needs."""
        return frozenset({self.scenario, SCENARIOS[self.scenario].minus} - {""} if self.is_gradient else ())


def _statistics() -> dict[str, Statistic]:
    names = []
    for quantity in QUANTITIES.values():
        if quantity.name == "weight":
            names.append("weight")
            continue
        names += [
            f"{quantity.name}.{scenario.name}"
            for scenario in SCENARIOS.values()
            if quantity.gradient_of or scenario.forward == scenario.name  # values of "loss" are those of "data"
        ]
    indices = {name: index for index, name in enumerate(_REFERENCE_ORDER)}
    parts = [(name, *name.partition(".")[::2]) for name in names]
    return {name: Statistic(quantity, scenario, indices.get(name)) for name, quantity, scenario in parts}


STATISTICS: dict[str, Statistic] = _statistics()
"""Every statistic by name."""

ALIASES: dict[str, str] = {
    name.replace(quantity, old, 1): name
    for old, quantity in (("preact", "conv_in"), ("act", "norm_out"))
    for name, statistic in STATISTICS.items()
    if statistic.quantity.removesuffix("_grad") == quantity
}
"""Older names of statistics, which program text may still use."""
