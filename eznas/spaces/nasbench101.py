"""NAS-Bench-101: cells of at most seven vertices and nine edges, an operation on each inner vertex.

An architecture reads ``0111/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output``: the rows of the adjacency
matrix, then the operations. Vertices that lie on no path from input to output are left out.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from eznas.errors import InputError, unknown
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown
from eznas.spaces.graf import CellGraph, cell_features
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from torch import nn


OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations of an inner vertex."""

_GROUPS = {"conv1x1-bn-relu": "conv_1x1", "conv3x3-bn-relu": "conv_3x3", "maxpool3x3": "pool"}
_VERTICES, _EDGES = 7, 9
_FORM = re.compile(r"([01]+(?:/[01]+)+) (\S+)")
_Cell = tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]
"""Adjacency matrix, and the operations of the inner vertices."""


class NasBench101(SearchSpace):
    """The space of NAS-Bench-101.

    An edit adds or removes an edge, changes an operation, or adds or removes a vertex with one edge in and one out.
    After it, every vertex still lies on a path from input to output.
    """

    name = "nasbench101"
    paper = "Ying et al. NAS-Bench-101. ICML 2019. arXiv:1902.09635"
    fidelities = by_name(
        Fidelity("full", cells=3, channels=128, pixels=32),
        Fidelity("reduced_wide", cells=1, channels=64, pixels=16, batch=8),
        Fidelity("reduced_deep", cells=3, channels=32, pixels=16, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")

    def parse(self, text: str) -> str:
        """Return the official string, without vertices that lie on no path from input to output."""
        return _format(_parse(text))

    def canonical(self, architecture: str) -> str:
        """Return the first string among all numberings of the inner vertices."""
        return min(self._numberings(architecture))

    def trained(self, architecture: str) -> str:
        """Return the cell with its vertices numbered as the benchmark trained it.

        The benchmark's hash ignores the numbering, but its networks depend on it: channels that do not divide evenly go
        to the first vertices. Of the cells with one hash, the benchmark trained the first in its enumeration: by the
        edges as binary digits, column by column, then by operations.
        """
        return min(self._numberings(architecture), key=_enumerated)

    def _numberings(self, architecture: str) -> Iterator[str]:
        matrix, operations = _parse(architecture)
        last = len(matrix) - 1
        edges = [(i, j) for i, row in enumerate(matrix) for j, edge in enumerate(row) if edge]
        for order in itertools.permutations(range(1, last)):
            place = {vertex: index for index, vertex in enumerate((0, *order, last))}
            if all(place[i] < place[j] for i, j in edges):
                moved = _matrix(last + 1, {(place[i], place[j]) for i, j in edges})
                yield _format((moved, tuple(operations[vertex - 1] for vertex in order)))

    def sample(self, rng: random.Random) -> str:
        """Draw as the benchmark did: every edge of seven vertices with probability 1/2, until the result is a cell."""
        pairs = list(itertools.combinations(range(_VERTICES), 2))
        while True:
            edges = {pair for pair in pairs if rng.random() < 0.5}  # noqa: PLR2004
            cell = _pruned((_matrix(_VERTICES, edges), tuple(rng.choices(OPERATIONS, k=_VERTICES - 2))))
            if cell is not None and _edges(cell) <= _EDGES:
                return _format(cell)

    def neighbours(self, architecture: str) -> list[str]:
        """Return the cells one edit away: operations, edges, then vertices."""
        cell = _parse(architecture)
        here = _format(cell)
        edited = (_format(other) for other in _edited(cell) if _edges(other) <= _EDGES and _pruned(other) == other)
        return [other for other in dict.fromkeys(edited) if other != here]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the features of the cell; see ``eznas.spaces.graf``."""
        matrix, operations = _parse(architecture)
        columns = list(zip(*matrix, strict=True))[1:]
        *reads, output = (tuple(source - 1 for source, edge in enumerate(column) if edge) for column in columns)
        graph = CellGraph(tuple(_GROUPS[name] for name in operations), tuple(reads), output)
        return cell_features(graph, [*_GROUPS.values()], _VERTICES - 2)

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network, with the fidelity's cells and channels.

        Cells that differ in the numbering of their vertices have the same network; see ``trained``.
        """
        from eznas.networks.nasbench101 import CellNetwork

        self.check_pixels(fidelity, 4)
        matrix, operations = _parse(self.trained(architecture))
        return CellNetwork(matrix, operations, cells=fidelity.cells, channels=fidelity.channels, classes=classes)


def _enumerated(architecture: str) -> tuple[int, list[int]]:
    """Return the sort key of a cell in the benchmark's enumeration of cells of its size."""
    matrix, operations = _parse(architecture)
    pairs = [(source, vertex) for vertex in range(len(matrix)) for source in range(vertex)]
    edges = sum(matrix[source][vertex] << place for place, (source, vertex) in enumerate(pairs))
    return edges, [OPERATIONS.index(operation) for operation in operations]


def _parse(text: str) -> _Cell:
    match = _FORM.fullmatch(text.strip())
    rows = match[1].split("/") if match else []
    named = match[2].split(",") if match else []
    if not rows or any(len(row) != len(rows) for row in rows) or len(named) != len(rows):
        raise InputError(
            "an architecture of nasbench101 must be rows of 0 and 1, and as many operations, such as "
            f"'0111/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output', got {shown(text)!r}"
        )
    if (named[0], named[-1]) != ("input", "output"):
        raise InputError(
            f"the operations of a cell of nasbench101 must be input, ..., output, got {shown(','.join(named))}"
        )
    for operation in named[1:-1]:
        if operation not in OPERATIONS:
            raise unknown("operation of nasbench101", shown(operation), OPERATIONS)
    matrix = tuple(tuple(map(int, row)) for row in rows)
    if any(edge and j <= i for i, row in enumerate(matrix) for j, edge in enumerate(row)):
        raise InputError("the edges of a cell of nasbench101 must lead to later vertices: an upper triangular matrix")
    cell = _pruned((matrix, tuple(named[1:-1])))
    if cell is None:
        raise InputError("a cell of nasbench101 must have a path from input to output")
    if len(cell[0]) > _VERTICES or _edges(cell) > _EDGES:
        raise InputError(
            f"a cell of nasbench101 must have at most {_VERTICES} vertices and {_EDGES} edges on its paths, "
            f"got {len(cell[0])} and {_edges(cell)}"
        )
    return cell


def _format(cell: _Cell) -> str:
    matrix, operations = cell
    rows = "/".join("".join(map(str, row)) for row in matrix)
    return f"{rows} {','.join(('input', *operations, 'output'))}"


def _matrix(size: int, edges: set[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int((i, j) in edges) for j in range(size)) for i in range(size))


def _edges(cell: _Cell) -> int:
    return sum(map(sum, cell[0]))


def _pruned(cell: _Cell) -> _Cell | None:
    """Return the cell without vertices that lie on no path from input to output; None where there is no path."""
    matrix, operations = cell
    size = len(matrix)
    fed, wanted = {0}, {size - 1}
    for j in range(size):
        if any(matrix[i][j] for i in fed):
            fed.add(j)
    for i in reversed(range(size)):
        if any(matrix[i][j] for j in wanted):
            wanted.add(i)
    kept = sorted(fed & wanted)
    if kept[:1] != [0] or kept[-1] != size - 1:
        return None
    return tuple(tuple(matrix[i][j] for j in kept) for i in kept), tuple(operations[i - 1] for i in kept[1:-1])


def _edited(cell: _Cell) -> Iterator[_Cell]:
    """Yield every edit, including those that are no cells of the space."""
    matrix, operations = cell
    size = len(matrix)
    edges = {(i, j) for i in range(size) for j in range(size) if matrix[i][j]}
    for place in range(len(operations)):
        for other in OPERATIONS:
            yield matrix, (*operations[:place], other, *operations[place + 1 :])
    for pair in itertools.combinations(range(size), 2):
        yield _matrix(size, edges ^ {pair}), operations
    for vertex in range(1, size - 1):
        around = {edge for edge in edges if vertex in edge}
        if len(around) == 2:  # noqa: PLR2004 - one in, one out
            moved = {(i - (i > vertex), j - (j > vertex)) for i, j in edges - around}
            yield _matrix(size - 1, moved), (*operations[: vertex - 1], *operations[vertex:])
    if size < _VERTICES:
        for i, j in itertools.combinations(range(size), 2):
            new = i + 1
            moved = {(a + (a >= new), b + (b >= new)) for a, b in edges} | {(i, new), (new, j + 1)}
            for other in OPERATIONS:
                yield _matrix(size + 1, moved), (*operations[: new - 1], other, *operations[new - 1 :])


SPACES.register(NasBench101())
