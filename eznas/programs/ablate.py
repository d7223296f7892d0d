"""Ablation of a program: its smaller variants without one term or one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eznas.primitives import Floor, Kind, KindError
from eznas.programs.simplify import simplify_exact
from eznas.programs.sums import terms_of_sum
from eznas.programs.tree import Node, apply, preorder, replace

if TYPE_CHECKING:
    from collections.abc import Iterator


FEW_TERMS = 8
"""Most terms of a sum whose terms are taken apart."""


class Ablation(NamedTuple):
    """A program without one of its parts.

    Args:
        without: The text of the subtree, or ``"NAME of ARGUMENT"`` for a function that is left out.
        program: The simplified rest.
    """

    without: str
    program: Node


def ablations(program: Node) -> list[Ablation]:
    """Return the program without each part of the unit and the network floor that can be left out.

    An argument of a binary function is left out by replacing the function by its other argument: ``add(f, g)`` becomes
    ``g`` without ``f``. The rest of a difference or a quotient without its first argument keeps its direction:
    ``div(f, g)`` becomes ``reciprocal(g)``. A function of one argument is left out by replacing it by the argument,
    also if a number stands beside it: ``power(f, 3)`` becomes ``f``. Of a sum of more than eight terms, only whole
    terms are left out.

    Args:
        program: A root of kind NETWORK.

    Returns:
        Well-typed simplified programs that differ from the program and from each other, in the order in which the
        parts stand in the program.
    """
    whole = simplify_exact(program)
    terms = {term.text for term in terms_of_sum(whole)}
    smaller: dict[Node, str] = {}
    for index, node in enumerate(preorder(whole)):
        if node.kind.floor is Floor.TENSOR:
            continue
        for without, rest in _rests(node):
            if len(terms) > FEW_TERMS and without not in terms:
                continue
            try:
                candidate = replace(whole, index, rest)
            except KindError:  # its parent takes no such kind
                continue
            if candidate.kind is Kind.NETWORK:
                simple = simplify_exact(candidate)
                if simple is not whole:
                    smaller.setdefault(simple, without)
    return [Ablation(without, rest) for rest, without in smaller.items()]


def _rests(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield each part that can be left out at a node, with what stands in the node's place then."""
    args = [arg for arg in node.args if arg.kind is not Kind.LITERAL]
    if any(arg.kind.floor is Floor.TENSOR for arg in args):
        return
    if len(args) == 1:
        yield f"{node.name} of {args[0].text}", args[0]
    elif len(args) > 1:
        first, second = args
        of_second = node.primitive.of_second
        yield first.text, apply(of_second, second) if of_second else second
        yield second.text, first
