"""Tiny-NanoBench: light cells of at most seven nodes; see ``eznas.networks.tiny_nanobench``.

An architecture lists the nodes of a cell in order, each with its operation and, after ``>``, the nodes that read it:
``split>1,2|dwconv3x3>3|conv1x1>3|output``. Node 0 reads the cell's input, and every other node the concatenation of its
sources. ``split`` has two targets and gives each one half of its channels; the other operations have one target. The
published form, a JSON object with ``adj_matrix`` and ``operations``, is read too.

The published table keeps cells of about 35 MFLOPs or less. Here ``sample`` and ``neighbours`` keep to 40 million
multiply-adds, which admit one ``conv1x1`` and one ``dwconv3x3`` on all channels; ``parse`` reads every cell. The
networks have 64 channels, with which the least cell needs 6.0 million multiply-adds. The published FLOPs begin at 7
million, while the 128 channels of the released code need 20.3 million for that cell.

References:
    [Siamese] Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural
        Architecture by Prior Knowledge. 2022.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from eznas.errors import InputError, unknown
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown
from eznas.spaces.graf import cell_features
from eznas.spaces.registry import SPACES
from eznas.spaces.tiny_nanobench_cell import (
    MOST_NODES,
    OPERATIONS,
    OUTPUT,
    SPLIT,
    Cell,
    edited,
    equivalents,
    graph_of,
    multiply_adds,
)

if TYPE_CHECKING:
    import random

    from torch import nn


MOST_MULTIPLY_ADDS = 40_000_000
"""The limit of cells that are drawn, for the convolutions of the full network."""

_GROUPS = {"dwconv3x3": "dwconv", "conv1x1": "conv_1x1", "atten": "attention", "expand": "expand", SPLIT: "split"}
_SPELLINGS = {"none": "identity", "input": "identity"}


class TinyNanoBench(SearchSpace):
    """The space of Tiny-NanoBench, for accuracies of the user's own table.

    An edit changes an operation, adds, removes or moves an edge, or adds or removes a node. A node whose second edge is
    added becomes ``split``; a ``split`` that loses an edge becomes any other operation.
    """

    name = "tiny_nanobench"
    paper = "Zhang et al. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural Architecture. 2022"
    fidelities = by_name(
        Fidelity("full", cells=3, channels=64, pixels=32),
        Fidelity("reduced_wide", cells=1, channels=64, pixels=16, batch=8),
        Fidelity("reduced_deep", cells=3, channels=32, pixels=16, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return str(_parse(text))

    def multiply_adds(self, architecture: str) -> int:
        """Return the multiply-adds of the full network's convolutions for one image.

        Raises:
            InputError: The space has no such cell.
        """
        return _multiply_adds(_parse(architecture))

    def canonical(self, architecture: str) -> str:
        """Return one representative of cells that differ in numbering and in nodes that are ``identity``.

        The order in which a node concatenates its sources, and the order of the halves of ``split``, are kept, so that
        these cells compute the same function. The representative is the shortest; the first string of those.
        """
        return min(map(str, equivalents(_parse(architecture))), key=lambda text: (text.count("|"), text))

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly from those within the limit of multiply-adds."""
        weights = [_raw_count(nodes) for nodes in _SIZES]
        while True:
            nodes = rng.choices(_SIZES, weights)[0]
            cell = Cell.of(_drawn(rng, nodes))
            if len(cell.operations) == nodes - 1 and cell.whole and _multiply_adds(cell) <= MOST_MULTIPLY_ADDS:
                return str(cell)

    def neighbours(self, architecture: str) -> list[str]:
        """Return the cells one edit away that are within the limit of multiply-adds: operations, edges, then nodes."""
        cell = _parse(architecture)
        others = dict.fromkeys(
            other for other in edited(cell) if other.whole and _multiply_adds(other) <= MOST_MULTIPLY_ADDS
        )
        return [str(other) for other in others if other != cell]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the features of the canonical cell without nodes that are ``identity``; see ``eznas.spaces.graf``."""
        return cell_features(
            graph_of(_parse(self.canonical(architecture)), _GROUPS), [*_GROUPS.values()], MOST_NODES - 1
        )

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, with the fidelity's cells and channels.

        Raises:
            InputError: See the base class; also where the channels are no multiple of 32, so that a ``split`` may have
                an odd number of channels.
        """
        from eznas.networks.tiny_nanobench import NanoNetwork

        self.check_pixels(fidelity, 4)
        if fidelity.channels % 32:
            raise InputError(f"the channels of {self.name} must be a multiple of 32, got {fidelity.channels}")
        cell = _parse(architecture)
        return NanoNetwork(
            cell.operations, cell.targets, cells=fidelity.cells, channels=fidelity.channels, classes=classes
        )


_SIZES = range(2, MOST_NODES + 1)


def _drawn(rng: random.Random, nodes: int) -> list[tuple[str, tuple[int, ...]]]:
    """Draw a cell of a size; the draw ends at a node without a source, after which no cell is whole."""
    drawn: list[tuple[str, tuple[int, ...]]] = []
    fed = {0}
    for place in range(nodes - 1):
        if place not in fed:
            break
        drawn.append(rng.choice(_options(place, nodes)))
        fed.update(drawn[-1][1])
    return drawn


@cache
def _options(place: int, nodes: int) -> list[tuple[str, tuple[int, ...]]]:
    """Return the operations and targets that a node may have in a cell of so many nodes."""
    later = range(place + 1, nodes)
    single = [(operation, (target,)) for operation in OPERATIONS for target in later]
    return single + [(SPLIT, (first, second)) for first in later for second in later if first < second]


def _raw_count(nodes: int) -> int:
    """Return the number of cells of a size, including those that have nodes without a source."""
    count = 1
    for place in range(nodes - 1):
        count *= len(_options(place, nodes))
    return count


def _multiply_adds(cell: Cell) -> int:
    full = TinyNanoBench.fidelities["full"]
    return multiply_adds(cell, cells=full.cells, channels=full.channels, pixels=full.pixels)


def _parse(text: str) -> Cell:
    stripped = text.strip()
    nodes = _published(stripped) if stripped.startswith("{") else _listed(stripped)
    if not 1 <= len(nodes) < MOST_NODES:
        raise InputError(f"a cell of tiny_nanobench must have 2 to {MOST_NODES} nodes, got {len(nodes) + 1}")
    for place, (operation, targets) in enumerate(nodes):
        if operation not in (*OPERATIONS, SPLIT):
            raise unknown("operation of tiny_nanobench", shown(operation), [*OPERATIONS, SPLIT])
        count = 2 if operation == SPLIT else 1
        if len(set(targets)) != count or list(targets) != sorted(targets):
            raise InputError(
                f"{operation} of tiny_nanobench must have {count} targets, ascending, got {shown(str(targets))}"
            )
        if not place < targets[0] <= targets[-1] <= len(nodes):
            raise InputError(f"node {place} of tiny_nanobench must lead to later nodes, got {shown(str(targets))}")
    cell = Cell.of(nodes)
    if not cell.whole:
        raise InputError("every node of a cell of tiny_nanobench but the first must have a source")
    return cell


def _listed(text: str) -> list[tuple[str, tuple[int, ...]]]:
    *nodes, last = text.split("|")
    parts = [node.partition(">") for node in nodes]
    if last != OUTPUT or not all(
        arrow and all(digit in _DIGITS for digit in targets.split(",")) for _, arrow, targets in parts
    ):
        raise InputError(
            "an architecture of tiny_nanobench must list its nodes, such as "
            f"'split>1,2|dwconv3x3>3|conv1x1>3|output', got {shown(text)!r}"
        )
    return [(operation, tuple(map(int, targets.split(",")))) for operation, _, targets in parts]


_DIGITS = tuple(map(str, range(1, MOST_NODES)))


def _published(text: str) -> list[tuple[str, tuple[int, ...]]]:
    try:
        read = json.loads(text)
        named = [_SPELLINGS.get(name, name) for name in read["operations"]]
        rows = [[place for place, edge in enumerate(row) if edge] for row in read["adj_matrix"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            "an architecture of tiny_nanobench in JSON must have operations and rows of adj_matrix, "
            f"got {shown(text)!r}"
        ) from error
    if named[-1:] != [OUTPUT] or len(rows) != len(named) or rows[-1] or not all(rows[:-1]):
        raise InputError(
            "a cell of tiny_nanobench must have a row of adj_matrix for each operation, and the output last, without "
            "targets"
        )
    return [(operation, tuple(targets)) for operation, targets in zip(named[:-1], rows, strict=False)]


SPACES.register(TinyNanoBench())
