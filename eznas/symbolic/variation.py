"""Children of programs, thousands at a time: array operations over a graph, no loop over programs.

Each child is a parent in which one node, drawn evenly among all of its nodes, is replaced. The nodes above it are made
anew from the place up to the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.symbolic.graph import Graph, Ids


_SHARES = {"crossover": 0.25, "insert": 0.25, "compose": 0.15, "point": 0.15, "leaf": 0.05, "shrink": 0.1, "hoist": 0.05}
"""Shares of the ways in which children are made."""

_UNARY = 0.4
"""Share of the inserted operators that take one argument."""


@dataclass(frozen=True)
class Places:
    """One node of each of ``m`` programs.

    Args:
        target: The nodes.
        path: For each step from the root down, the node that was left; -1 below the target.
        right: For each step, whether it went to the second argument.
    """

    target: Ids
    path: list[Ids]
    right: list[NDArray[np.bool_]]


def random_places(graph: Graph, roots: Ids, rng: np.random.Generator) -> Places:
    """Draw a node of each program, each of its nodes equally likely."""
    target = roots.copy()
    left_over = rng.integers(0, graph.places[roots])  # nodes in front of the drawn one, in preorder
    path, right = [], []
    active = np.flatnonzero(left_over)
    while len(active):
        node = target[active]
        left = graph.left[node]
        before = left_over[active] - 1
        goes_right = before >= graph.places[left]
        path.append(np.full(len(roots), -1))
        right.append(np.zeros(len(roots), bool))
        path[-1][active], right[-1][active] = node, goes_right
        target[active] = np.where(goes_right, graph.right[node], left)
        left_over[active] = before - np.where(goes_right, graph.places[left], 0)
        active = active[left_over[active] > 0]
    return Places(target, path, right)


def replaced(graph: Graph, places: Places, new: Ids) -> Ids:
    """Return the programs with the nodes at some places replaced by others."""
    result = new.copy()
    for path, right in zip(reversed(places.path), reversed(places.right), strict=True):
        active = np.flatnonzero(path >= 0)
        node, side = path[active], right[active]
        left = np.where(side, graph.left[node], result[active])
        result[active] = graph.add(graph.code[node], left, np.where(side, result[active], graph.right[node]))
    return result


def children(
    graph: Graph, parents: Ids, donors: Ids, rng: np.random.Generator, max_size: int
) -> Ids:
    """Return the children of pairs of programs that have at most ``max_size`` nodes, without repetitions.

    Args:
        graph: The nodes; children are added to it.
        parents: ``m`` programs.
        donors: ``m`` programs that subtrees are taken from.
        rng: Random generator.
        max_size: Most nodes of a child.
    """
    ways = rng.choice(len(_SHARES), len(parents), p=list(_SHARES.values()))
    made = []
    for way, name in enumerate(_SHARES):
        chosen = ways == way
        made.append(_WAYS[name](graph, parents[chosen], donors[chosen], rng, max_size))
    return np.unique(np.concatenate(made))


def _crossover(graph: Graph, parents: Ids, donors: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put a random subtree of the donor at a random place."""
    return _put(graph, parents, random_places(graph, parents, rng), random_places(graph, donors, rng).target, max_size)


def _insert(graph: Graph, parents: Ids, donors: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put a random operator above a random place; its other argument is a leaf or a subtree of the donor."""
    places = random_places(graph, parents, rng)
    subtrees = random_places(graph, donors, rng).target
    leaves = rng.integers(0, len(graph.language.leaves), len(parents))
    other = np.where(rng.random(len(parents)) < 0.5, leaves, subtrees)  # noqa: PLR2004 - half
    code, left, right = _above(graph, places.target, other, rng)
    fits = graph.size[parents] + graph.language.size[code] + np.where(right < 0, 0, graph.size[other]) <= max_size
    places, code, left, right = _only(places, fits), code[fits], left[fits], right[fits]
    return replaced(graph, places, graph.add(code, left, right))


def _compose(graph: Graph, parents: Ids, donors: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put a random operator above the whole parent; its other argument is the whole donor."""
    code, left, right = _above(graph, parents, donors, rng)
    fits = graph.size[parents] + graph.language.size[code] + np.where(right < 0, 0, graph.size[donors]) <= max_size
    return graph.add(code[fits], left[fits], right[fits])


def _point(graph: Graph, parents: Ids, _: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put another operator of the same arity, or another leaf, at a random place."""
    places = random_places(graph, parents, rng)
    arity = graph.language.arity[graph.code[places.target]]
    new = rng.integers(0, len(graph.language.leaves), len(parents))
    for count in (1, 2):
        inner = np.flatnonzero(arity == count)
        node = places.target[inner]
        new[inner] = graph.add(graph.language.draw(rng, count, len(inner)), graph.left[node], graph.right[node])
    return _put(graph, parents, places, new, max_size)


def _leaf(graph: Graph, parents: Ids, _: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put a leaf at a random place."""
    leaves = rng.integers(0, len(graph.language.leaves), len(parents))
    return _put(graph, parents, random_places(graph, parents, rng), leaves, max_size)


def _shrink(graph: Graph, parents: Ids, _: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Put an argument of a random operator in its place."""
    places = random_places(graph, parents, rng)
    left, right = graph.left[places.target], graph.right[places.target]
    second = (right >= 0) & (rng.random(len(parents)) < 0.5)  # noqa: PLR2004 - half
    argument = np.where(second, right, left)
    return _put(graph, parents, places, np.where(argument < 0, places.target, argument), max_size)


def _hoist(graph: Graph, parents: Ids, _: Ids, rng: np.random.Generator, max_size: int) -> Ids:  # noqa: ARG001
    """Return a random part of the parent."""
    return random_places(graph, parents, rng).target


_WAYS = {
    "crossover": _crossover,
    "insert": _insert,
    "compose": _compose,
    "point": _point,
    "leaf": _leaf,
    "shrink": _shrink,
    "hoist": _hoist,
}


def _above(graph: Graph, node: Ids, other: Ids, rng: np.random.Generator) -> tuple[Ids, Ids, Ids]:
    """Draw operators above nodes, with other nodes as their second or first argument where they take two."""
    unary = rng.random(len(node)) < _UNARY
    language = graph.language
    code = np.where(unary, language.draw(rng, 1, len(node)), language.draw(rng, 2, len(node)))
    swap = ~unary & (rng.random(len(node)) < 0.5)  # noqa: PLR2004 - half
    return code, np.where(swap, other, node), np.where(unary, -1, np.where(swap, node, other))


def _put(graph: Graph, parents: Ids, places: Places, new: Ids, max_size: int) -> Ids:
    fits = graph.size[parents] - graph.size[places.target] + graph.size[new] <= max_size
    return replaced(graph, _only(places, fits), new[fits])


def _only(places: Places, chosen: NDArray[np.bool_]) -> Places:
    return Places(places.target[chosen], [path[chosen] for path in places.path], [side[chosen] for side in places.right])
