"""Variation of programs on the unit and network floors, and of reductions on the tensor floor.

Programs are varied above their reductions only, which are leaves here: offspring consist of known vectors, so scoring
them costs next to nothing. New reductions come from ``vary_reduction``, in batches. A program may also read leaves of
the network floor, or be one. An operator that finds no place in a program returns the program itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.gp.grammar import options, random_program, random_reduction, random_tensor, random_unit, terminals
from eznas.primitives import Floor, Kind
from eznas.programs import Node, apply, is_network_leaf, leaf, literal, preorder, replace

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


Places = list[tuple[int, Node]]


def is_reduction(node: Node) -> bool:
    """Whether a node reduces a tensor tree to a number for each unit."""
    return node.kind is Kind.UNIT and node.args[0].kind.floor is Floor.TENSOR


def upper_nodes(root: Node) -> Places:
    """Return every occurrence of a node above the tensor floor with its index in preorder; reductions are leaves."""
    places: Places = []
    stack = [(0, root)]
    while stack:
        index, node = stack.pop()
        if node.kind is Kind.LITERAL:
            continue
        places.append((index, node))
        if not is_reduction(node):
            below = index + 1
            for arg in node.args:
                stack.append((below, arg))
                below += arg.size
    return places


def crossover(rng: random.Random, first: Node, second: Node) -> Node:
    """Put a random subtree of the second parent into the first, where one of the same kind was."""
    given = [node for _, node in upper_nodes(second)]
    kinds = {node.kind for node in given}
    index, old = rng.choice([place for place in upper_nodes(first) if place[1].kind in kinds])
    donors = [node for node in given if node.kind is old.kind]
    return replace(first, index, rng.choice(donors))


def mutate_subtree(rng: random.Random, root: Node, reductions: Sequence[Node], leaves: Sequence[Node] = ()) -> Node:
    """Replace a random subtree by a fresh one over known reductions and leaves of the network floor."""
    index, old = rng.choice(_drawable(root, reductions))
    return replace(root, index, _fresh(rng, old.kind, rng.randint(0, 2), reductions, leaves))


def mutate_terminal(rng: random.Random, root: Node, reductions: Sequence[Node], leaves: Sequence[Node] = ()) -> Node:
    """Replace a random reduction or leaf of the network floor by another one that is known."""
    places = [
        (index, known)
        for index, node in upper_nodes(root)
        if (known := reductions if is_reduction(node) else leaves if is_network_leaf(node) else ())
    ]
    if not places:
        return root
    index, known = rng.choice(places)
    return replace(root, index, rng.choice(known))


def mutate_point(rng: random.Random, root: Node) -> Node:
    """Replace the primitive of a random node by another of the same signature, or draw its literal anew."""
    inner = [place for place in upper_nodes(root) if place[1].args and not is_reduction(place[1])]
    if not inner:
        return root
    index, old = rng.choice(inner)
    return replace(root, index, _other_primitive(rng, old))


def mutate_aggregation(rng: random.Random, root: Node) -> Node:
    """Replace a random aggregation by another."""
    aggregations = [(index, node) for index, node in upper_nodes(root) if _is_aggregation(node)]
    if not aggregations:
        return root
    index, old = rng.choice(aggregations)
    return replace(root, index, _other_primitive(rng, old))


def hoist(rng: random.Random, root: Node) -> Node:
    """Return a random part of the program that is a program itself."""
    return rng.choice([node for _, node in upper_nodes(root) if node.kind is Kind.NETWORK])


def shrink(rng: random.Random, root: Node) -> Node:
    """Replace a random node by one of its arguments of the same kind."""
    places = [
        (index, arg)
        for index, node in upper_nodes(root)
        if not is_reduction(node)
        for arg in node.args
        if arg.kind is node.kind
    ]
    if not places:
        return root
    index, arg = rng.choice(places)
    return replace(root, index, arg)


def insert(rng: random.Random, root: Node, reductions: Sequence[Node], leaves: Sequence[Node] = ()) -> Node:
    """Put a random primitive above a random node, with fresh trees as its further arguments."""
    index, old = rng.choice(_drawable(root, reductions))
    above = [option for option in options(old.kind) if old.kind in option.args]
    option = rng.choices(above, [option.weight for option in above])[0]
    kept = rng.choice([place for place, kind in enumerate(option.args) if kind is old.kind])
    built = option.build(rng, lambda kind: _fresh(rng, kind, 0, reductions, leaves))
    return replace(root, index, apply(built.name, *built.args[:kept], old, *built.args[kept + 1 :]))


def vary_reduction(rng: random.Random, reduction: Node, others: Sequence[Node]) -> Node:
    """Make a new reduction: replace the top, a subtree, a statistic or a primitive of a known reduction.

    Args:
        rng: Random generator.
        reduction: What to vary.
        others: Known reductions, whose subtrees may be used.
    """
    way = rng.random()
    if way < 0.2:  # noqa: PLR2004 - a fifth: the same tensor reduced otherwise
        return _other_primitive(rng, reduction)
    places = [
        (index, node) for index, node in enumerate(preorder(reduction)) if index and node.kind is not Kind.LITERAL
    ]
    index, old = rng.choice(places)
    if way < 0.45:  # noqa: PLR2004 - a quarter: a statistic or primitive
        return replace(
            reduction, index, _other_primitive(rng, old) if old.args else leaf(rng.choice(terminals(old.kind)))
        )
    if way < 0.65:  # noqa: PLR2004 - a fifth: a subtree of another reduction
        donors = [node for node in preorder(rng.choice(others)) if node.kind is old.kind]
        return replace(reduction, index, rng.choice(donors)) if donors else random_reduction(rng, 2)
    if way < 0.85:  # noqa: PLR2004 - a fifth: a primitive in between
        above = [option for option in options(old.kind) if old.kind in option.args]
        option = rng.choice(above)
        kept = option.args.index(old.kind)
        built = option.build(rng, lambda kind: random_tensor(rng, kind, 0))
        return replace(reduction, index, apply(built.name, *built.args[:kept], old, *built.args[kept + 1 :]))
    return replace(reduction, index, random_tensor(rng, old.kind, rng.randint(0, 2)))


def _drawable(root: Node, reductions: Sequence[Node]) -> Places:
    """Return the places of nodes whose kind can be drawn: without reductions, no unit trees can."""
    return [place for place in upper_nodes(root) if reductions or place[1].kind is Kind.NETWORK]


def _fresh(rng: random.Random, kind: Kind, depth: int, reductions: Sequence[Node], leaves: Sequence[Node]) -> Node:
    if kind is Kind.UNIT:
        return random_unit(rng, depth, reductions)
    return random_program(rng, depth, reductions, leaves)


def _is_aggregation(node: Node) -> bool:
    return node.kind is Kind.NETWORK and any(arg.kind is Kind.UNIT for arg in node.args)


def _other_primitive(rng: random.Random, node: Node) -> Node:
    """Return the node under another primitive of the same argument kinds, or with another literal."""
    tensors = tuple(arg for arg in node.args if arg.kind is not Kind.LITERAL)
    kinds = tuple(arg.kind for arg in tensors)
    alike = [
        option
        for option in options(node.kind)
        if tuple(kind for kind in option.args if kind is not Kind.LITERAL) == kinds
    ]
    option = rng.choices(alike, [option.weight for option in alike])[0]
    parameter = option.primitive.parameter
    extra = [literal(rng.choice(parameter.choices))] if parameter else []
    return apply(option.primitive.name, *tensors, *extra)
