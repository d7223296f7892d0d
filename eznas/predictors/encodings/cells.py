"""Cells of NAS-Bench-101 at full size, and genotypes of a fixed number of nodes, as encodings read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.genotype import GenotypeRules

if TYPE_CHECKING:
    from eznas.spaces import SearchSpace

NB101_VERTICES = 7


def padded_cell(architecture: str) -> tuple[list[list[int]], list[str]]:
    """Return the adjacency matrix of seven vertices and the five inner operations of an official string.

    The vertices that a smaller cell lacks stand before its output and have no edges and no operation.
    """
    rows, _, named = architecture.partition(" ")
    listed = [[*map(int, row)] for row in rows.split("/")]
    last = len(listed) - 1
    place = [*range(last), NB101_VERTICES - 1]
    matrix = [[0] * NB101_VERTICES for _ in range(NB101_VERTICES)]
    for source, row in enumerate(listed):
        for target, edge in enumerate(row):
            matrix[place[source]][place[target]] = edge
    operations = named.split(",")[1:-1]
    return matrix, operations + [""] * (NB101_VERTICES - 2 - len(operations))


def rules_of(space: SearchSpace) -> GenotypeRules | None:
    """Return the rules of a space of genotypes; None for other spaces."""
    rules = getattr(space, "rules", None)
    return rules if isinstance(rules, GenotypeRules) else None


def genotype_of(space: SearchSpace, architecture: str) -> dict[str, list[tuple[str, int]]]:
    """Return the edges of both cells, each an operation and its input, two for each node.

    Raises:
        InputError: The space has no such architecture, or its cells have another number of nodes than drawn ones.
    """
    rules = rules_of(space)
    parsed = json.loads(space.parse(architecture))
    parsed = parsed.get("genotype", parsed)
    cells = {cell: [(str(name), int(source)) for name, source in parsed[cell]] for cell in ("normal", "reduce")}
    for cell, edges in cells.items():
        if rules is None or len(edges) != 2 * rules.nodes:
            raise InputError(
                f"the encoding needs cells of {rules.nodes if rules else 0} nodes, the {cell} cell has "
                f"{len(edges) // 2}"
            )
    return cells


def sizes_of(space: SearchSpace) -> tuple[str, ...]:
    """Return the names of the numbers that an architecture of genotypes has beside its cells."""
    return () if space.name == "darts" else ("depth", "width")
