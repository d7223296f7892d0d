"""Simplification in two tiers: exact, which keeps every value, and by rank, which keeps the order of networks."""

from __future__ import annotations

from eznas import primitives
from eznas.primitives import Kind
from eznas.programs.rules import BY_NAME, is_nonnegative
from eznas.programs.tree import Node, apply, postorder

__all__ = ["canonical", "simplify_exact", "simplify_rank"]


def canonical(node: Node) -> Node:
    """Return the program with the two arguments of commutative primitives sorted by text.

    Values are kept to the bit, as swapping two operands is exact in floating point, save the sign of a zero that is
    the ``maximum`` or ``minimum`` of 0 and -0.
    """
    made: dict[Node, Node] = {}
    for one in postorder([node]):
        made[one] = _sorted(one, tuple([made[arg] for arg in one.args])) if one.args else one
    return made[node]


def simplify_exact(node: Node) -> Node:
    """Return a canonical program, never larger, that has the same value on every network.

    The rules of ``eznas.programs.rules`` are applied from the leaves up until none applies; they are exact as
    ``canonical`` is. Simplifying again changes nothing.
    """
    made: dict[Node, Node] = {}
    nonnegative: dict[Node, bool] = {}
    for one in postorder([node]):
        new = _rewritten(_sorted(one, tuple([made[arg] for arg in one.args])), nonnegative) if one.args else one
        if new not in nonnegative:
            nonnegative[new] = is_nonnegative(new, nonnegative)
        made[one] = new
    return made[node]


def simplify_rank(node: Node) -> Node:
    """Return a canonical program, never larger, that orders networks in the same way.

    Besides exact simplification, strictly increasing functions at the root are dropped, as far down as the network's
    number goes: not below its last aggregation, and not between terms. The order is kept among the networks on which
    the original is finite, save that networks which rounding had made equal (``exp`` of two large negative numbers)
    may be told apart. A network on which only the dropped function failed (``log`` of a negative number) gains a value.
    """
    while True:
        while _increases(node):
            node = node.args[0]
        if node.name == "log_sum" and node.kind is Kind.NETWORK:
            node = apply("sum", *node.args)
        simpler = simplify_exact(node)
        if not _increases(simpler) and simpler.name != "log_sum":
            return simpler
        node = simpler


def _sorted(node: Node, args: tuple[Node, ...]) -> Node:
    record = primitives.resolve(node.name, [arg.kind for arg in args])[0]
    if record.commutative and args[0].text > args[1].text:
        args = (args[1], args[0])
    return node if args == node.args else Node(node.name, args, node.kind)


def _rewritten(node: Node, nonnegative: dict[Node, bool]) -> Node:
    """Apply rules to a node whose arguments are simple until none applies."""
    while True:
        for rule in BY_NAME.get(node.name, ()):
            new = rule.rewrite(node, nonnegative)
            if new is not None:
                break
        else:
            return node
        node = _sorted(new, new.args) if new.args else new


def _increases(node: Node) -> bool:
    """Whether a node is a strictly increasing function of one number of the network, wherever it is finite."""
    if node.kind is not Kind.NETWORK or not node.args or node.args[0].kind is not Kind.NETWORK:
        return False
    if node.name == "power":  # of any number for odd exponents, of positive ones otherwise
        exponent = float(node.args[1].name)
        return exponent > 0 and exponent % 2 != 0
    return primitives.resolve(node.name, [arg.kind for arg in node.args])[0].increasing
