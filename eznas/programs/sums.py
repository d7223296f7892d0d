"""Weighted sums of simple functions as programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.primitives import Kind
from eznas.programs.tree import apply, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.programs.tree import Node

_ROOT = 0.1
"""Exponent of a function: nearly a logarithm over many orders of magnitude, and defined at 0."""

_DIGITS = 4
"""Digits of a weight."""

_BOUND_DIGITS = 4
"""Digits of a bound, relative to the distance between the bounds."""


def simple_functions(program: Node) -> list[Node]:
    """Return the root, the tenth root and the logarithm of a program whose values are not negative."""
    positive = apply("relu", program)  # rounding makes zeros negative on some networks
    return [apply("sqrt", positive), apply("power", positive, literal(_ROOT)), apply("log1p", positive)]


def clamped(program: Node, low: float, high: float) -> Node:
    """Return a program with bounds on its value, rounded outwards by at most a thousandth of their distance."""
    digits = _BOUND_DIGITS - 1 - math.floor(math.log10(high - low))
    step = 10.0**-digits
    least, greatest = (round(whole * step, digits) for whole in (math.floor(low / step), math.ceil(high / step)))
    return apply("at_most", apply("at_least", program, literal(least)), literal(greatest))


def terms_of_sum(program: Node) -> list[Node]:
    """Return the terms of a sum; a program that is no sum is its only term."""
    if not _applies("add", program):
        return [program]
    return [term for arg in program.args for term in terms_of_sum(arg)]


def weighted_term(term: Node) -> tuple[Node, float] | None:
    """Return a term of a weighted sum without its bounds and without a guard against rounding, and its weight.

    A term that has no weight gives None.
    """
    if not _applies("scale", term):
        return None
    function, weight = term.args
    while _applies("at_most", function) or _applies("at_least", function):
        function = function.args[0]
    if function.args and _applies("relu", guarded := function.args[0]) and function in simple_functions(*guarded.args):
        function = apply(function.name, *guarded.args, *function.args[1:])
    return function, float(weight.name)


def _applies(primitive: str, node: Node) -> bool:
    """Whether a number of the network is the value of a primitive."""
    return node.kind is Kind.NETWORK and node.name == primitive


def weighted_sum(terms: Sequence[Node], weights: Sequence[float]) -> Node:
    """Return the sum of at least one term, each times its weight of four digits."""
    parts = [
        apply("scale", term, literal(float(f"{weight:.{_DIGITS}g}")))
        for term, weight in zip(terms, weights, strict=True)
    ]
    while len(parts) > 1:  # a balanced tree, which is not high
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [*(apply("add", one, other) for one, other in pairs), *parts[len(parts) // 2 * 2 :]]
    return parts[0]
