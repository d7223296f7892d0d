"""NAS-Bench-201, which is also the topology space of NATS-Bench.

A cell is a graph of four nodes. Node 0 is the cell's input, every later node is the sum of one operation on
each node before it, and node 3 is the output: six edges with five operations make 15,625 cells. An
architecture lists the edges node by node, each with its operation and, after ``~``, its source:
``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|``.
"""

from __future__ import annotations

import itertools
import random
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError, unknown
from eznas.spaces.base import Fidelity, SearchSpace, by_name, on_paths, shown, substitutions
from eznas.spaces.graf import CellGraph, cell_features
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations, in the benchmark's order."""

_GROUPS = {"skip_connect": "skip", "nor_conv_1x1": "conv_1x1", "nor_conv_3x3": "conv_3x3", "avg_pool_3x3": "pool"}

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges as (from, to), in the order in which an architecture names them and a network runs them."""

_OUTPUT = EDGES[-1][1]
_NODES = range(1, _OUTPUT + 1)
_FORM = re.compile(r"\+".join(r"\|" + "".join(rf"([^|~+]*)~{source}\|" for source in range(node)) for node in _NODES))
_SHOWN = "+".join("|" + "".join(f"OP~{source}|" for source in range(node)) for node in _NODES)


def to_operations(architecture: str) -> tuple[str, ...]:
    """Return the six operations of an official string, in the order of ``EDGES``.

    Raises:
        InputError: The string does not have the form, or names an operation that does not exist.
    """
    match = _FORM.fullmatch(architecture.strip())
    if match is None:
        raise InputError(f"an architecture of nasbench201 must read {_SHOWN}, got {shown(architecture)!r}")
    for operation in match.groups():
        if operation not in OPERATIONS:
            raise unknown("operation of nasbench201", shown(operation), OPERATIONS)
    return match.groups()


def from_operations(operations: Sequence[str]) -> str:
    """Return the official string of six operations in the order of ``EDGES``."""
    named = iter(operations)
    return "+".join("|" + "".join(f"{next(named)}~{source}|" for source in range(node)) for node in _NODES)


class NasBench201(SearchSpace):
    """The space of NAS-Bench-201; an edit is another operation on one edge."""

    name = "nasbench201"
    paper = "Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326"
    fidelities = by_name(
        Fidelity("full", cells=5, channels=16, pixels=32),
        Fidelity("reduced_wide", cells=1, channels=16, pixels=16, batch=16),
        Fidelity("reduced_deep", cells=5, channels=8, pixels=16, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")
    # One of full width and one of full depth: a program must be good on both.

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return from_operations(to_operations(text))

    def canonical(self, architecture: str) -> str:
        """Return one representative of all cells that compute the same function at initialisation.

        Identified are cells that differ only in

        - edges that lie on no path from the input to the output, whatever their operations: the
          representative has ``none`` there. (Once trained, a convolution of nothing gives its normalisation's
          bias: a constant.)
        - the place of identities: a skip connection adds the terms of its source to its target;
        - the order of the terms of a sum, and so the numbering of nodes 1 and 2.

        Two convolutions with their own weights differ from one convolution that is used twice. The linearity of
        average pooling is not used. The 15,625 cells have 9,445 representatives by the first rule and 5,260 by all
        three; the representative is the first of its class in the order of ``itertools.product`` over ``OPERATIONS``.
        It may lack parameters of the architecture that never reach the output.
        """
        return _representatives()[_function(to_operations(architecture))]

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return from_operations(rng.choices(OPERATIONS, k=len(EDGES)))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the 24 architectures with another operation on one edge, by edge and operation."""
        return [*map(from_operations, substitutions(to_operations(architecture), OPERATIONS))]

    def architectures(self) -> Sequence[str]:
        """Return all 15,625 architectures by their official index."""
        return _official()

    def features(self, architecture: str) -> dict[str, float]:
        """Return the features of the canonical cell; see ``eznas.spaces.graf``."""
        operations = to_operations(self.canonical(architecture))
        edges = [(*edge, _GROUPS[name]) for edge, name in zip(EDGES, operations, strict=True) if name in _GROUPS]
        return cell_features(CellGraph.of_edges(edges, [0], [_OUTPUT]), [*_GROUPS.values()], _OUTPUT)

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network, with the fidelity's cells and channels."""
        from eznas.networks.nasbench201 import CellNetwork

        operations = to_operations(architecture)
        self.check_pixels(fidelity, 4)
        return CellNetwork(operations, cells=fidelity.cells, channels=fidelity.channels, classes=classes)


@cache
def _official() -> tuple[str, ...]:
    listed = [from_operations(operations) for operations in itertools.product(OPERATIONS, repeat=len(EDGES))]
    random.Random(88).shuffle(listed)
    return tuple(listed)


@cache
def _representatives() -> dict[object, str]:
    first: dict[object, str] = {}
    for operations in itertools.product(OPERATIONS, repeat=len(EDGES)):
        function = _function(operations)
        if function not in first:
            first[function] = from_operations(operations)
    return first


def _function(operations: Sequence[str]) -> object:
    """Describe a cell's function: the terms of its output, and the convolutions that these use.

    A node is the sorted tuple of its terms; a term is ``(operation, node)``, and the input is the one term
    ``()``. Equal terms may be one convolution or two, hence the second half.
    """
    nodes: list[tuple[Any, ...]] = [((),)]
    reached = on_paths(EDGES, [operation != "none" for operation in operations])
    convolutions = []
    for target in _NODES:
        terms: list[Any] = []
        for (source, node), operation, kept in zip(EDGES, operations, reached, strict=True):
            if node != target or operation == "none" or not kept:
                continue
            if operation == "skip_connect":
                terms += nodes[source]
                continue
            terms.append((operation, nodes[source]))
            if operation != "avg_pool_3x3":
                convolutions.append(terms[-1])
        nodes.append(tuple(sorted(terms)))
    return nodes[_OUTPUT], tuple(sorted(convolutions))


SPACES.register(NasBench201())
