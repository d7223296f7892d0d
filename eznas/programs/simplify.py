"""Simplification in two tiers: exact, which keeps every value, and by rank, which keeps the order of networks."""

from __future__ import annotations

from eznas.primitives import Kind
from eznas.programs.rules import is_nonnegative, rules_of
from eznas.programs.tree import Node, apply, postorder


def canonical(node: Node) -> Node:
    """Return the program with the two arguments of commutative primitives sorted by text.

    Values are kept to the bit, as swapping two operands is exact in floating point, save the sign of a zero that is
    the ``maximum`` or ``minimum`` of 0 and -0.
    """
    sorted_: dict[Node, Node] = {}
    for part in postorder([node]):
        sorted_[part] = _sorted(part, tuple([sorted_[arg] for arg in part.args])) if part.args else part
    return sorted_[node]


def simplify_exact(node: Node) -> Node:
    """Return a canonical program, never larger, that has the same value on every network.

    The rules of ``eznas.programs.rules`` are applied from the leaves up until none applies; they are exact as
    ``canonical`` is. Simplifying again changes nothing.
    """
    simple: dict[Node, Node] = {}
    nonnegative: dict[Node, bool] = {}
    for part in postorder([node]):
        new = _rewritten(_sorted(part, tuple([simple[arg] for arg in part.args])), nonnegative) if part.args else part
        if new not in nonnegative:
            nonnegative[new] = is_nonnegative(new, nonnegative)
        simple[part] = new
    return simple[node]


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
        if node.args and node.primitive.orders_as:
            node = apply(node.primitive.orders_as, *node.args)
        simpler = simplify_exact(node)
        if not _increases(simpler) and not (simpler.args and simpler.primitive.orders_as):
            return simpler
        node = simpler


def _sorted(node: Node, args: tuple[Node, ...]) -> Node:
    if node.primitive.commutative and args[0].text > args[1].text:
        args = (args[1], args[0])
    return node if args == node.args else Node(node.name, args, node.kind, node.primitive)


def _rewritten(node: Node, nonnegative: dict[Node, bool]) -> Node:
    """Apply rules to a node whose arguments are simple until none applies."""
    while True:
        for rule in rules_of(node.primitive) if node.args else ():
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
    return node.primitive.is_increasing(*[float(arg.name) for arg in node.args if arg.kind is Kind.LITERAL])
