"""The cells of Tiny-NanoBench as graphs: validity, equivalent cells, edits and multiply-adds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.spaces.graf import INPUT, CellGraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


OPERATIONS = ("identity", "dwconv3x3", "conv1x1", "atten", "expand")
"""The operations with one target."""

SPLIT, OUTPUT = "split", "output"
MOST_NODES = 7
_EXPANSION, _STAGES = 3, 3
_Node = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Cell:
    """A cell; node 0 reads the cell's input, and the node after the last listed one is the output.

    Args:
        operations: The operation of each node but the output.
        targets: The nodes that read it, ascending.
    """

    operations: tuple[str, ...]
    targets: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, nodes: Sequence[_Node]) -> Cell:
        """Build a cell from operations and targets."""
        return cls(tuple(operation for operation, _ in nodes), tuple(targets for _, targets in nodes))

    @property
    def nodes(self) -> list[_Node]:
        """Operation and targets of each node but the output."""
        return [*zip(self.operations, self.targets, strict=True)]

    @property
    def sources(self) -> list[list[int]]:
        """The sources of each node, the output included, in the order of concatenation."""
        found: list[list[int]] = [[] for _ in range(len(self.operations) + 1)]
        for node, targets in enumerate(self.targets):
            for target in targets:
                found[target].append(node)
        return found

    @property
    def whole(self) -> bool:
        """Whether every node but the first has a source, so that all lie on paths from the input to the output."""
        return len({target for targets in self.targets for target in targets}) == len(self.operations)

    def __str__(self) -> str:
        parts = [f"{operation}>{','.join(map(str, targets))}" for operation, targets in self.nodes]
        return "|".join([*parts, OUTPUT])


def multiply_adds(cell: Cell, *, cells: int, channels: int, pixels: int) -> int:
    """Return the multiply-adds of a network's convolutions for one image: the stem, and three stages of cells."""
    total = 3 * 9 * channels * pixels**2
    c_in = channels
    for stage in range(_STAGES):
        width, area = channels << stage, (pixels >> stage) ** 2
        for place in range(cells):
            total += _cell_multiply_adds(cell, width if place else c_in, width, area)
        c_in = width
    return total


def _cell_multiply_adds(cell: Cell, c_in: int, width: int, area: int) -> int:
    sizes = [c_in, *[0] * len(cell.operations)]
    total = 0
    for node, (operation, targets) in enumerate(cell.nodes):
        size = sizes[node]
        match operation:
            case "dwconv3x3":
                total += 9 * size * area
            case "conv1x1":
                total += size * width * area
                size = width
            case "atten":
                total += 4 * size * (size // 4)
            case "expand":
                total += _EXPANSION * 9 * size * area
                size *= _EXPANSION
            case "split":
                size //= 2
        for target in targets:
            sizes[target] += size
    return total + (sizes[-1] * width * area if sizes[-1] != width else 0)


def equivalents(cell: Cell) -> set[Cell]:
    """Return the cell in every numbering that keeps its function, with any of its ``identity`` nodes left out."""
    found: set[Cell] = set()
    waiting = [cell]
    while waiting:
        new = _numberings(waiting.pop().nodes) - found
        found |= new
        for other in new:
            for node, operation in enumerate(other.operations):
                if operation == "identity" and len(other.operations) > 1:
                    waiting += _without_identity(other, node) - found
    return found


def _numberings(nodes: Sequence[_Node], cell_sources: list[list[int]] | None = None) -> set[Cell]:
    """Return the cells that renumber nodes and keep the order of sources and of targets.

    Args:
        nodes: Operation and targets of each node, the targets in the order of the halves.
        cell_sources: The sources of each node in the order of concatenation; None for ascending.
    """
    sources = cell_sources or Cell.of(nodes).sources
    last = len(nodes)
    cells = set()
    for order in itertools.permutations(range(1, last)):
        place = {node: index for index, node in enumerate((0, *order, last))}
        moved = [tuple(place[target] for target in targets) for _, targets in nodes]
        forward = all(place[node] < min(targets) for node, targets in enumerate(moved))
        ordered = [*moved, *([place[source] for source in read] for read in sources)]
        if forward and all(list(sequence) == sorted(sequence) for sequence in ordered):
            kept = sorted(range(last), key=place.__getitem__)
            cells.add(Cell.of([(nodes[node][0], moved[node]) for node in kept]))
    return cells


def _without_identity(cell: Cell, node: int) -> set[Cell]:
    """Return the cells, in any numbering, in which the target of an ``identity`` reads the sources of that node."""
    [target] = cell.targets[node]
    sources = cell.sources
    if set(sources[node]) & set(sources[target]):
        return set()  # both halves of one split
    merged = [other for source in sources[target] for other in (sources[node] if source == node else [source])]
    sources[target] = merged
    targets = [tuple(target if other == node else other for other in read) for read in cell.targets]
    kept = [other for other in range(len(targets) + 1) if other != node]
    place = {other: index for index, other in enumerate(kept)}
    nodes = [(cell.operations[other], tuple(place[each] for each in targets[other])) for other in kept[:-1]]
    return _numberings(nodes, [[place[source] for source in sources[other]] for other in kept])


def edited(cell: Cell) -> Iterator[Cell]:
    """Yield every edit, including cells that are no cells of the space."""
    nodes, last = cell.nodes, len(cell.operations)
    for node, (operation, targets) in enumerate(nodes):
        for other in _replacements(operation, targets, range(node + 1, last + 1)):
            yield Cell.of([*nodes[:node], other, *nodes[node + 1 :]])
    for node, sources in enumerate(cell.sources[:-1]):
        if cell.operations[node] != SPLIT and len(sources) == (1 if node else 0) and last > 1:
            removed = _removed(nodes, node)
            if removed is not None:
                yield Cell.of(removed)
    if last + 1 < MOST_NODES:
        for operation in OPERATIONS:
            yield Cell.of([(operation, (1,)), *_shifted(nodes, 0)])
        for node, targets in enumerate(cell.targets):
            for target in targets:
                yield from _inserted(nodes, node, target)


def _replacements(operation: str, targets: tuple[int, ...], later: range) -> Iterator[_Node]:
    """Yield the operations and targets that a node may have after an edit of its operation or of an edge."""
    if operation == SPLIT:
        yield from ((other, (target,)) for target in targets for other in OPERATIONS)
        for kept in targets:
            yield from ((SPLIT, (min(kept, new), max(kept, new))) for new in later if new != kept)
        return
    yield from ((other, targets) for other in OPERATIONS)
    yield from ((operation, (target,)) for target in later)
    yield from ((SPLIT, (min(targets[0], new), max(targets[0], new))) for new in later if new != targets[0])


def _removed(nodes: Sequence[_Node], node: int) -> list[_Node] | None:
    """Return the nodes without one whose target then reads its source; None where it does so already."""
    target = nodes[node][1][0]
    if any({node, target} <= {*targets} for _, targets in nodes):
        return None
    bypassed = [
        (operation, tuple(sorted(target if other == node else other for other in targets)))
        for operation, targets in (*nodes[:node], *nodes[node + 1 :])
    ]
    return [(operation, tuple(other - (other > node) for other in targets)) for operation, targets in bypassed]


def _shifted(nodes: Sequence[_Node], place: int) -> list[_Node]:
    """Return the nodes with the targets from a place on moved up by one."""
    return [(operation, tuple(target + (target >= place) for target in targets)) for operation, targets in nodes]


def _inserted(nodes: Sequence[_Node], source: int, target: int) -> Iterator[Cell]:
    """Yield the cells with a new node on an edge."""
    for place in range(source + 1, target + 1):
        moved = _shifted(nodes, place)
        operation, targets = moved[source]
        moved[source] = (operation, tuple(sorted(place if other == target + 1 else other for other in targets)))
        for new in OPERATIONS:
            yield Cell.of([*moved[:place], (new, (target + 1,)), *moved[place:]])


def graph_of(cell: Cell, groups: Mapping[str, str]) -> CellGraph:
    """Return the graph of the nodes whose operation has a group; the others are passed through."""
    reads: list[tuple[int, ...]] = []
    passed: list[tuple[int, ...]] = []
    for node, operation in enumerate([*cell.operations, OUTPUT]):
        read = tuple(dict.fromkeys(each for source in cell.sources[node] for each in passed[source])) or (INPUT,)
        if operation in groups:
            passed.append((len(reads),))
            reads.append(read)
        else:
            passed.append(read)
    return CellGraph(
        tuple(groups[operation] for operation in cell.operations if operation in groups), tuple(reads), passed[-1]
    )
