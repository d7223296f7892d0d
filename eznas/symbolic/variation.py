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


WAYS = {"crossover": 0.25, "insert": 0.25, "compose": 0.15, "point": 0.15, "leaf": 0.05, "shrink": 0.1, "hoist": 0.05}
"""Shares of the ways in which children are made.

``crossover`` puts a random subtree of the donor at the place; ``insert`` a random operator above the place, with a leaf
or a random subtree of the donor as its other argument; ``compose`` a random operator above the whole parent and the
whole donor; ``point`` another operator of the same arity, or another leaf; ``leaf`` a leaf; ``shrink`` an argument of
the place's node. ``hoist`` returns the subtree at the place.
"""

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


def children(graph: Graph, parents: Ids, donors: Ids, rng: np.random.Generator, max_size: int) -> Ids:
    """Return the children of pairs of programs that have at most ``max_size`` nodes, without repetitions.

    Args:
        graph: The nodes; children are added to it.
        parents: ``m`` programs.
        donors: ``m`` programs that subtrees are taken from.
        rng: Random generator.
        max_size: Most nodes of a child.
    """
    drawn = rng.choice(len(WAYS), len(parents), p=list(WAYS.values()))
    way = {name: drawn == index for index, name in enumerate(WAYS)}
    places = random_places(graph, parents, rng)
    whole = way["compose"] | way["hoist"]  # what is made is the child itself
    target = np.where(way["compose"], parents, places.target)
    removed = np.where(whole, graph.size[parents], graph.size[target])
    leaves = rng.integers(0, len(graph.language.leaves), len(parents))
    subtrees = np.where(way["compose"], donors, random_places(graph, donors, rng).target)
    subtrees = np.where(way["insert"] & (rng.random(len(parents)) < 0.5), leaves, subtrees)  # noqa: PLR2004 - half

    new = np.select([way["crossover"], way["leaf"] | way["point"], way["hoist"]], [subtrees, leaves, target], target)
    new = np.where(way["shrink"], _arguments(graph, target, rng), new)
    code, left, right = _operators(graph, target, subtrees, way["point"], rng)
    adds = way["insert"] | way["compose"] | (way["point"] & (graph.left[target] >= 0))
    two = graph.language.arity[code] == 2  # noqa: PLR2004 - a binary operator
    size = np.where(adds, graph.language.size[code] + graph.size[left] + two * graph.size[right], graph.size[new])

    fits = graph.size[parents] - removed + size <= max_size
    adds &= fits
    new[adds] = graph.add(code[adds], left[adds], right[adds])
    path = [np.where(whole, -1, step)[fits] for step in places.path]
    return np.unique(replaced(graph, Places(target[fits], path, [side[fits] for side in places.right]), new[fits]))


def _arguments(graph: Graph, node: Ids, rng: np.random.Generator) -> Ids:
    """Draw an argument of each node; a leaf itself."""
    left, right = graph.left[node], graph.right[node]
    second = (right >= 0) & (rng.random(len(node)) < 0.5)  # noqa: PLR2004 - half
    return np.where(left < 0, node, np.where(second, right, left))


def _operators(
    graph: Graph, node: Ids, other: Ids, keeps: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Ids, Ids, Ids]:
    """Draw operators and their arguments: a node and another one in either order, or those that the node keeps."""
    language, count = graph.language, len(node)
    takes_one = np.where(keeps, graph.right[node] < 0, rng.random(count) < _UNARY)
    code = np.where(takes_one, language.draw(rng, 1, count), language.draw(rng, 2, count))
    swap = ~takes_one & (rng.random(count) < 0.5)  # noqa: PLR2004 - half
    left = np.where(keeps, graph.left[node], np.where(swap, other, node))
    return code, left, np.where(keeps, graph.right[node], np.where(swap, node, other))
