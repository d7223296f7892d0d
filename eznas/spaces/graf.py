"""Features of a cell's graph that need no network: counts, paths and degrees by subset of the operations.

The vertices of this graph are the operations of the cell. An operation reads the results of other operations, or the
input of the cell. Operations that lie on no path from the input to the output are left out. Each search space divides
its operations into groups, such as ``skip`` and ``pool``. Below, ``G`` is one group and ``S`` a set of groups. The name
of a feature lists the groups of ``S``, or says ``any`` for all groups.

- ``count_G``: number of operations of ``G``.
- ``min_path_S``: fewest operations on a path from the input to the output that has operations of ``S`` only. If there
  is no such path, the value is one more than the number of operations on the longest path of the space.
- ``max_on_path_S``: largest number of operations of ``S`` on one path, which may also have other operations.
- ``out_degree_S``: number of operations of ``S`` that read the input.
- ``in_degree_S``: number of operations of ``S`` that the output reads.
- ``mean_degree_S``: mean number of results that an operation of ``S`` reads, the input counted as one; 0 if the cell
  has no operation of ``S``.

References:
    [GRAF] Kadlecova, Lukasik, Pilat, Vidnerova, Safari, Neruda, Hutter. Surprisingly Strong Performance Prediction with
        Neural Graph Features. ICML 2024. There the operations of most spaces are edges, and degrees are those of nodes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


INPUT = -1
"""The cell's input, among the indices of operations."""


@dataclass(frozen=True)
class CellGraph:
    """The operations of a cell.

    Args:
        operations: The group of each operation; an operation comes after those that it reads.
        reads: For each operation, the distinct operations that it reads, by index; ``INPUT`` for the cell's input.
        output: The distinct operations that the output reads; ``INPUT`` where it reads the input itself.
    """

    operations: tuple[str, ...]
    reads: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]

    @classmethod
    def of_edges(
        cls, edges: Sequence[tuple[int, int, str]], inputs: Collection[int], outputs: Collection[int]
    ) -> CellGraph:
        """Build the graph of a cell whose operations stand on edges between nodes, which add their results.

        Args:
            edges: Source, target and group of each operation, sorted by target.
            inputs: The nodes that are inputs of the cell.
            outputs: The nodes whose values make the output.
        """
        entering: dict[int, list[int]] = {node: [INPUT] for node in inputs}
        reads = []
        for index, (source, target, _) in enumerate(edges):
            reads.append(tuple(entering.get(source, [])))
            entering.setdefault(target, []).append(index)
        output = dict.fromkeys(index for node in sorted(outputs) for index in entering.get(node, []))
        return cls(tuple(group for *_, group in edges), tuple(reads), tuple(output))

    def pruned(self) -> CellGraph:
        """Return the graph without operations that lie on no path from the input to the output."""
        fed, wanted = {INPUT}, set(self.output)
        for index, read in enumerate(self.reads):
            if fed.intersection(read):
                fed.add(index)
        for index in reversed(range(len(self.reads))):
            if index in wanted:
                wanted.update(self.reads[index])
        kept = [index for index in range(len(self.operations)) if index in fed and index in wanted]
        place = {INPUT: INPUT, **{index: new for new, index in enumerate(kept)}}
        return CellGraph(
            tuple(self.operations[index] for index in kept),
            tuple(tuple(place[index] for index in self.reads[old] if index in place) for old in kept),
            tuple(place[index] for index in self.output if index in place),
        )


def cell_features(graph: CellGraph, groups: Sequence[str], longest: int) -> dict[str, float]:
    """Return the features of a cell, by name.

    Args:
        graph: The cell.
        groups: The alphabet.
        longest: Most operations that a path of the space can have.
    """
    graph = graph.pruned()
    features = {f"count_{group}": float(graph.operations.count(group)) for group in groups}
    for name, subset in _subsets(groups):
        chosen = [group in subset for group in graph.operations]
        shortest = _least(graph, [int(inside) if inside else longest + 1 for inside in chosen])
        most = -_least(graph, [-int(inside) for inside in chosen])
        reads = [len(read) for read, inside in zip(graph.reads, chosen, strict=True) if inside]
        of_subset = {
            f"min_path_{name}": min(shortest, longest + 1),
            f"max_on_path_{name}": most if graph.output else 0,
            f"out_degree_{name}": sum(
                inside and INPUT in read for read, inside in zip(graph.reads, chosen, strict=True)
            ),
            f"in_degree_{name}": sum(chosen[index] for index in graph.output if index != INPUT),
            f"mean_degree_{name}": sum(reads) / len(reads) if reads else 0,
        }
        features |= {feature: float(value) for feature, value in of_subset.items()}
    return features


def _subsets(groups: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate over the subsets of groups, except the empty one, with their names."""
    for size in range(1, len(groups) + 1):
        for subset in itertools.combinations(groups, size):
            yield "any" if size == len(groups) else "_".join(subset), subset


def _least(graph: CellGraph, weights: Sequence[int]) -> int:
    """Return the least sum of weights of operations on a path from the input to the output; very large without one."""
    least = {INPUT: 0}
    for index, read in enumerate(graph.reads):
        least[index] = weights[index] + min(least[other] for other in read)
    return min([least[index] for index in graph.output], default=2**30)
