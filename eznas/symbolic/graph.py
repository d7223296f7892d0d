"""The distinct nodes of many programs as arrays, with their values on some architectures.

A program is the number of its root. Children are made thousands at a time: a node is an operator and the numbers of its
arguments, so that a batch of new nodes is three arrays, and each operator runs once on all nodes that it makes. Trees
of ``eznas.programs`` are built only for programs that are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.primitives import Kind
from eznas.programs import postorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.symbolic.operators import Language

    Ids = NDArray[np.int64]


_BITS = 24
"""Bits of a node's number within a key."""


class Graph:
    """Distinct nodes; the first ones are the leaves, in the order of the columns.

    Args:
        language: The operators and leaves.
        leaves: ``k x n`` values of the leaves on the architectures.

    Attributes:
        code: The operator or leaf of each node.
        left: The first argument; -1 for a leaf.
        right: The second argument; -1 where there is none.
        size: Nodes of the tree below each node, numbers included.
        places: Nodes of the tree below each node that can be replaced, which numbers cannot.
    """

    def __init__(self, language: Language, leaves: NDArray[np.float64]) -> None:
        self.language = language
        count = len(language.leaves)
        self.code = np.arange(language.first_leaf, language.first_leaf + count)
        self.left = self.right = np.full(count, -1)
        self.size = self.places = np.ones(count, np.int64)
        self._values = np.ascontiguousarray(leaves, np.float64)  # may have more rows than there are nodes
        self._index()

    def __len__(self) -> int:
        return len(self.code)

    def values(self, nodes: Ids) -> NDArray[np.float64]:
        """Return the values of some nodes, a row for each."""
        rows: NDArray[np.float64] = self._values[nodes]
        return rows

    def add(self, code: Ids, left: Ids, right: Ids) -> Ids:
        """Return the numbers of nodes, and evaluate those that are new.

        Args:
            code: ``m`` operators.
            left: First arguments.
            right: Second arguments; ignored where the operator takes one.
        """
        right = np.where(self.language.arity[code] == 2, right, -1)  # noqa: PLR2004 - a binary operator
        swap = self.language.commutative[code] & (right < left) & (right >= 0)
        left, right = np.where(swap, right, left), np.where(swap, left, right)
        keys, first, inverse = np.unique(_keys(code, left, right), return_index=True, return_inverse=True)
        place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        known = self._sorted[place] == keys
        ids = np.empty(len(keys), np.int64)
        ids[known] = self._order[place[known]]
        new = first[~known]
        ids[~known] = len(self) + np.arange(len(new))
        if len(new):
            self._append(code[new], left[new], right[new])
        return ids[inverse]

    def add_trees(self, trees: Sequence[Node]) -> Ids:
        """Return the numbers of trees, and evaluate their new nodes.

        Raises:
            KeyError: A tree has an operator or a leaf that is not of the language.
        """
        number = dict(self.language.leaf_ids)
        levels: dict[int, list[Node]] = {}
        for node in postorder(trees):
            if node not in number and node.kind is not Kind.LITERAL:
                levels.setdefault(node.height, []).append(node)
        for _, nodes in sorted(levels.items()):  # arguments before the nodes that read them
            codes = np.array([self.language.code_of(node) for node in nodes])
            first = np.array([number[node.args[0]] for node in nodes])
            second = np.array([number.get(node.args[-1], -1) for node in nodes])
            number.update(zip(nodes, self.add(codes, first, second).tolist(), strict=True))
        return np.array([number[tree] for tree in trees], np.int64)

    def tree(self, node: int) -> Node:
        """Return the tree of a node."""
        code = int(self.code[node])
        if code >= self.language.first_leaf:
            return self.language.leaves[code - self.language.first_leaf]
        operator = self.language.operators[code]
        args = (self.left[node], self.right[node])[: operator.arity]
        return operator.node(*[self.tree(int(arg)) for arg in args])

    def keep(self, roots: Ids) -> Ids:
        """Forget all nodes but the leaves and those below some roots, and return the new numbers of the roots."""
        old, number = self._below(roots)
        self._values[: len(old)] = self._values[old]
        self._take(self, old, number)
        return number[roots]

    def evaluated(self, roots: Ids, leaves: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``len(roots) x m`` values of nodes for ``k x m`` values of the leaves on other architectures."""
        old, number = self._below(roots)
        part = Graph(self.language, leaves)
        part._take(self, old, number)
        part._evaluate()
        return part.values(number[roots])

    def _take(self, graph: Graph, nodes: Ids, number: Ids) -> None:
        """Copy some nodes of another graph."""
        self.code, self.size, self.places = graph.code[nodes], graph.size[nodes], graph.places[nodes]
        self.left, self.right = number[graph.left[nodes]], number[graph.right[nodes]]
        self._index()

    def _below(self, roots: Ids) -> tuple[Ids, Ids]:
        """Return the leaves and the nodes below some roots, and for each node its place among them, or -1."""
        kept = np.zeros(len(self) + 1, bool)  # the last place stands for "no argument"
        kept[: len(self.language.leaves)] = kept[-1] = True
        frontier = np.unique(roots)
        while len(frontier):
            kept[frontier] = True
            below = np.unique(np.concatenate([self.left[frontier], self.right[frontier]]))
            frontier = below[~kept[below]]
        number = np.where(kept, np.cumsum(kept) - 1, -1)
        number[-1] = -1
        return np.flatnonzero(kept[:-1]), number

    def _append(self, code: Ids, left: Ids, right: Ids) -> None:
        begin = len(self)
        size, places = np.append(self.size, 0), np.append(self.places, 0)  # 0 where there is no argument
        self.code = np.concatenate([self.code, code])
        self.left, self.right = np.concatenate([self.left, left]), np.concatenate([self.right, right])
        self.size = np.concatenate([self.size, self.language.size[code] + size[left] + size[right]])
        self.places = np.concatenate([self.places, 1 + places[left] + places[right]])
        self._fill(np.arange(begin, len(self)))
        self._index()

    def _evaluate(self) -> None:
        """Compute the values of all nodes above the leaves, level by level."""
        ready = np.zeros(len(self) + 1, bool)
        ready[: len(self.language.leaves)] = ready[-1] = True
        while not ready.all():
            level = np.flatnonzero(~ready[:-1] & ready[self.left] & ready[self.right])
            self._fill(level)
            ready[level] = True

    def _fill(self, nodes: Ids) -> None:
        """Compute the values of nodes whose arguments have values, one operator after the other."""
        if len(self) > len(self._values):
            larger = np.empty((2 * len(self), self._values.shape[1]))
            larger[: len(self._values)] = self._values
            self._values = larger
        order = nodes[np.argsort(self.code[nodes], kind="stable")]
        codes, starts = np.unique(self.code[order], return_index=True)
        for code, group in zip(codes, np.split(order, starts[1:]), strict=True):
            operator = self.language.operators[code]
            args = (self.left[group], self.right[group])[: operator.arity]
            self._values[group] = operator.values(*[self._values[arg] for arg in args])

    def _index(self) -> None:
        keys = _keys(self.code, self.left, self.right)
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]


def _keys(code: Ids, left: Ids, right: Ids) -> Ids:
    keys: Ids = (((code.astype(np.int64) << _BITS) | (left + 1)) << _BITS) | (right + 1)
    return keys
