"""Genotypes: the normal and the reduction cell of NASNet-like networks, as json.

``{"normal":[["sep_conv_3x3",0],...],"normal_concat":[2,...],"reduce":[...],"reduce_concat":[...]}`` lists two edges for
each node, each an operation and its input. Inputs 0 and 1 are the two previous cells; node ``n`` is input ``n + 2``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError, unknown
from eznas.spaces.base import shown
from eznas.spaces.graf import CellGraph, cell_features

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator


Edges = tuple[tuple[str, int], ...]
_INPUTS = 2
_CELLS = ("normal", "reduce")
_GROUPS = ("skip", "pool", "dil", "sep", "conv")


def dump(value: Any) -> str:
    """Return json in the official form: sorted, without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def load(text: str, what: str) -> dict[str, Any]:
    """Return the json object in a text.

    Raises:
        InputError: The text is no json object; the message begins with ``what``.
    """
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} must be a json object, but reading it failed: {error}") from error
    if not isinstance(loaded, dict):
        raise InputError(f"{what} must be a json object, got {type(loaded).__name__}")
    return loaded


@dataclass(frozen=True)
class Genotype:
    """Two cells.

    Args:
        normal: Edges of the normal cell, two for each node.
        normal_concat: Its output nodes.
        reduce: Edges of the reduction cell.
        reduce_concat: Its output nodes.
    """

    normal: Edges
    normal_concat: tuple[int, ...]
    reduce: Edges
    reduce_concat: tuple[int, ...]

    def as_json(self) -> dict[str, object]:
        """Return the object that json holds."""
        return {
            "normal": [list(edge) for edge in self.normal],
            "normal_concat": list(self.normal_concat),
            "reduce": [list(edge) for edge in self.reduce],
            "reduce_concat": list(self.reduce_concat),
        }


def _group(operation: str) -> str:
    """Return the group of an operation: the first whose name is part of the operation's; empty for ``none``."""
    return next((group for group in _GROUPS if group in operation), "")


@dataclass(frozen=True)
class GenotypeRules:
    """The cells of a space.

    Args:
        space: The space's name, for messages.
        operations: The operations of an edge.
        nodes: Nodes of a drawn cell.
        loose: Whether the output of a drawn cell are the nodes that no other node reads, instead of all nodes.
        distinct: Whether the two inputs of a node differ.
    """

    space: str
    operations: tuple[str, ...]
    nodes: int
    loose: bool
    distinct: bool = False

    def read(self, loaded: dict[str, Any]) -> Genotype:
        """Return the genotype in a json object.

        Raises:
            InputError: The space has no such genotype.
        """
        return Genotype(
            *(part for cell in _CELLS for part in self._cell(loaded.get(cell), loaded.get(f"{cell}_concat"), cell))
        )

    def _cell(self, listed: object, concat: object, cell: str) -> tuple[Any, Any]:
        must = f"{cell} of a genotype of {self.space} must"
        if not isinstance(listed, list) or not listed or len(listed) % 2:
            raise InputError(f"{must} be a list of [operation, input], two for each node, got {listed!r:.80}")
        edges = []
        for place, edge in enumerate(listed):
            match edge:
                case [str(operation), int(source)] if 0 <= source < place // 2 + _INPUTS:
                    if operation not in self.operations:
                        raise unknown(f"operation of {self.space}", shown(operation), self.operations)
                    edges.append((operation, int(source)))
                case _:
                    raise InputError(f"{must} have [operation, input] with an earlier input, got {edge!r:.80}")
        nodes = range(_INPUTS, len(edges) // 2 + _INPUTS)
        if (
            not isinstance(concat, list)
            or not concat
            or not all(type(node) is int and node in nodes for node in concat)
        ):
            raise InputError(f"{must} have its output nodes in {cell}_concat, got {concat!r:.80}")
        return tuple(edges), tuple(concat)

    def concat(self, edges: Edges) -> tuple[int, ...]:
        """Return the output nodes of drawn edges."""
        nodes = range(_INPUTS, len(edges) // 2 + _INPUTS)
        read = {source for _, source in edges} if self.loose else set()
        return tuple(node for node in nodes if node not in read)

    def sample(self, rng: random.Random) -> Genotype:
        """Draw operations and inputs uniformly."""
        cells = []
        for _ in _CELLS:
            edges: list[tuple[str, int]] = []
            for node in range(self.nodes):
                earlier = range(node + _INPUTS)
                inputs = rng.sample(earlier, 2) if self.distinct else rng.choices(earlier, k=2)
                edges += [(rng.choice(self.operations), source) for source in inputs]
            cells.append(tuple(edges))
        normal, reduce = cells
        return Genotype(normal, self.concat(normal), reduce, self.concat(reduce))

    def neighbours(self, genotype: Genotype) -> Iterator[Genotype]:
        """Yield the genotypes with another operation or another input on one edge, by cell and edge."""
        for cell in _CELLS:
            edges: Edges = getattr(genotype, cell)
            for place, (operation, source) in enumerate(edges):
                others = [(other, source) for other in self.operations if other != operation]
                taken = {source, edges[place ^ 1][1]} if self.distinct else {source}
                others += [(operation, other) for other in range(place // 2 + _INPUTS) if other not in taken]
                for other in others:
                    edited = (*edges[:place], other, *edges[place + 1 :])
                    changes: dict[str, Any] = {cell: edited, f"{cell}_concat": self.concat(edited)}
                    yield replace(genotype, **changes)

    def features(self, genotype: Genotype) -> dict[str, float]:
        """Return the features of both cells; see ``eznas.spaces.graf``.

        The alphabet is ``skip``, ``pool``, ``sep`` (separable convolutions), ``dil`` (dilated ones) and ``conv`` (all
        others), as far as the space has them. A path begins at either of the two previous cells.
        """
        groups = [group for group in _GROUPS if group in map(_group, self.operations)]
        cells = {}
        for cell in _CELLS:
            listed: Edges = getattr(genotype, cell)
            edges = [
                (source, place // 2 + _INPUTS, _group(operation))
                for place, (operation, source) in enumerate(listed)
                if operation != "none"
            ]
            graph = CellGraph.of_edges(edges, range(_INPUTS), getattr(genotype, f"{cell}_concat"))
            cells[cell] = cell_features(graph, groups, len(listed) // 2)
        return {f"{cell}_{name}": value for cell, features in cells.items() for name, value in features.items()}

    def canonical(self, genotype: Genotype) -> Genotype:
        """Return the genotype with the two terms of each node sorted, since their order in a sum does not matter."""
        normal, reduce = (
            tuple(edge for left in range(0, len(edges), 2) for edge in sorted(edges[left : left + 2]))
            for edges in (genotype.normal, genotype.reduce)
        )
        return replace(genotype, normal=normal, reduce=reduce)
