"""Random typed trees, drawn from the primitives and statistics of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from eznas import primitives
from eznas.primitives import Kind, Primitive
from eznas.programs import Node, apply, leaf, literal

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence


TERMINAL_MEASURES = (
    "params", "flops", "l2_norm", "synflow", "naswot", "jacob_cov", "grad_norm", "snip", "zico", "az_expressivity"
)  # fmt: skip
"""Measures that evolution reads by default where measures are terminals: cheap ones of different kinds."""


@dataclass(frozen=True)
class Option:
    """One way to make a node of some kind."""

    primitive: Primitive
    args: tuple[Kind, ...]
    weight: float

    def build(self, rng: random.Random, argument: Callable[[Kind], Node]) -> Node:
        """Make the node, drawing literals and asking ``argument`` for the rest."""
        return apply(self.primitive.name, *[self._argument(rng, kind, argument) for kind in self.args])

    def _argument(self, rng: random.Random, kind: Kind, argument: Callable[[Kind], Node]) -> Node:
        if kind is Kind.LITERAL and self.primitive.parameter is not None:
            return literal(rng.choice(self.primitive.parameter.choices))
        return argument(kind)


def options(kind: Kind) -> tuple[Option, ...]:
    """Return every primitive overload that gives a kind, in a fixed order."""
    return _options(kind, primitives.revision())


@cache
def _options(kind: Kind, _revision: int) -> tuple[Option, ...]:
    return tuple(
        Option(record, signature.args, record.draw_weight)
        for record in primitives.all_primitives()
        for signature in record.signatures
        if signature.result is kind
    )


@cache
def _options_by_floor(kind: Kind, _revision: int, *, same_floor: bool) -> tuple[tuple[Option, ...], tuple[float, ...]]:
    """Return a kind's options whose arguments live on its floor, or on the floor below, and their weights."""
    chosen = tuple(option for option in options(kind) if (option.args[0].floor is kind.floor) is same_floor)
    return chosen, tuple(option.weight for option in chosen)


@cache
def terminals(kind: Kind) -> tuple[str, ...]:
    """Return the statistics of a kind, in a fixed order."""
    return tuple(name for name, statistic in primitives.STATISTICS.items() if statistic.kind is kind)


def _draw(rng: random.Random, kind: Kind, *, same_floor: bool) -> Option:
    drawn_from, weights = _options_by_floor(kind, primitives.revision(), same_floor=same_floor)
    return rng.choices(drawn_from, weights)[0]


def random_tensor(rng: random.Random, kind: Kind, depth: int) -> Node:
    """Draw a tree of the tensor floor with at most ``depth`` primitives above each statistic (one more for SAMPLES)."""
    names = terminals(kind)
    if names and (depth <= 0 or rng.random() < 0.25):  # noqa: PLR2004 - a quarter of the branches end early
        return leaf(rng.choice(names))
    if depth <= 0:  # SAMPLES have no terminal: they come from the statistics' samples
        makers = [option for option in options(kind) if kind not in option.args]
        return rng.choice(makers).build(rng, lambda arg: random_tensor(rng, arg, 0))
    return _draw(rng, kind, same_floor=True).build(rng, lambda arg: random_tensor(rng, arg, depth - 1))


def random_reduction(rng: random.Random, depth: int) -> Node:
    """Draw a tree of kind UNIT: one reduction over a tensor tree of at most ``depth``."""
    return _draw(rng, Kind.UNIT, same_floor=False).build(rng, lambda arg: random_tensor(rng, arg, depth))


def random_unit(rng: random.Random, depth: int, reductions: Sequence[Node]) -> Node:
    """Draw a tree of the unit floor whose leaves are given reductions."""
    if depth <= 0 or rng.random() < 0.6:  # noqa: PLR2004 - most unit trees are a single reduction
        return rng.choice(reductions)
    return _draw(rng, Kind.UNIT, same_floor=True).build(rng, lambda _: random_unit(rng, depth - 1, reductions))


def random_program(rng: random.Random, depth: int, reductions: Sequence[Node], leaves: Sequence[Node] = ()) -> Node:
    """Draw a program: network arithmetic of at most ``depth`` over aggregated unit trees and leaves.

    Args:
        rng: Random generator.
        depth: Most primitives of the network floor above each aggregation or leaf.
        reductions: Known reductions, the leaves of unit trees; may be empty where there are ``leaves``.
        leaves: Leaves of the network floor. With both, half of the branches end in an aggregation, half in a leaf.
    """
    if depth <= 0 or rng.random() < 0.3:  # noqa: PLR2004 - a third of the branches end early
        if leaves and (not reductions or rng.random() < 0.5):  # noqa: PLR2004 - half
            return rng.choice(leaves)
        aggregation = _draw(rng, Kind.NETWORK, same_floor=False)
        return aggregation.build(rng, lambda _: random_unit(rng, 1, reductions))
    operator = _draw(rng, Kind.NETWORK, same_floor=True)
    return operator.build(rng, lambda _: random_program(rng, depth - 1, reductions, leaves))
