"""Architectures as graphs of operations."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.predictors.encodings.base import EncodingInputs, GraphEncoding, register_encoding
from eznas.predictors.encodings.cells import NB101_VERTICES, genotype_of, rules_of
from eznas.predictors.encodings.choices import NONE, choices_of
from eznas.predictors.encodings.graphs import Graphs
from eznas.spaces import tiny_nanobench_cell
from eznas.spaces.nasbench101 import OPERATIONS as NB101_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.predictors.encodings.choices import Choices
    from eznas.spaces import SearchSpace

_INPUT, _OUTPUT = "input", "output"
_Graph = tuple[list[str], list[tuple[int, int]]]
"""The types of the vertices, and the edges as (source, target)."""


@dataclass(frozen=True)
class _Layout:
    """The graphs of a space.

    Args:
        vocabulary: The types of vertices.
        vertices: Most vertices of a graph.
        of: Returns the graph of an official string.
    """

    vocabulary: tuple[str, ...]
    vertices: int
    of: Callable[[str], _Graph]


@register_encoding
class Graph(GraphEncoding):
    """Vertices are operations; an edge leads from an operation to each that reads its result.

    - ``nasbench201``, ``transnas_micro``: the input, the six operations, the output. ``none`` is an operation like
      others.
    - ``nasbench101``, ``tiny_nanobench``: the vertices of the cell.
    - ``darts``: the two inputs of the normal cell, its operations and its output; the reduction cell follows and reads
      that output as both of its inputs. The two cells have operations of their own.
    - ``transnas_macro``, ``nats_sss``, ``nasbench_macro``: a chain of layers or widths.
    """

    name = "graph"
    description = "a graph in place of columns: its vertices are the input, the operations and the output"
    paper = "Wen, Liu, Chen, Li, Bender, Kindermans. Neural Predictor for Neural Architecture Search. ECCV 2020"

    def __init__(self, inputs: EncodingInputs) -> None:
        self._space = inputs.known_space(self.name)
        layout = self._layout(self._space)
        if layout is None:
            raise InputError(
                f"the encoding {self.name} has no graph for {self._space.name}; choose a predictor that reads another "
                "encoding, such as graf or words",
                parameters=("encoding",),
            )
        self._graphs = layout
        self._closed = (NONE.get(self._space.name, ""), "normal_none", "reduce_none")

    @staticmethod
    def _layout(space: SearchSpace) -> _Layout | None:
        return _operations(space)

    def graphs(self, architectures: Sequence[str]) -> Graphs:
        """Return the graphs."""
        listed = [self._graphs.of(self._space.parse(architecture)) for architecture in architectures]
        made = Graphs.of(listed, self._graphs.vertices, self._graphs.vocabulary)
        return replace(made, closed=tuple(name for name in made.vocabulary if name in self._closed))


@register_encoding
class GraphOfNodes(Graph):
    """As ``graph``; the nodes between the operations are vertices, too.

    For ``nasbench201`` these are the published ten vertices. Nodes with several readers have types of their own.
    """

    name = "graph_nodes"
    description = "as graph, but the nodes at which the operations of a cell meet are vertices too"
    paper = (
        "Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural "
        "Architecture by Prior Knowledge. 2022. arXiv:2210.00546"
    )

    @staticmethod
    def _layout(space: SearchSpace) -> _Layout | None:
        return _nodes(space)


def _operations(space: SearchSpace) -> _Layout | None:
    choices, rules = choices_of(space), rules_of(space)
    if choices is not None:
        named = (_INPUT, *choices.options, _OUTPUT)
        return _Layout(named, len(choices.places) + 2, lambda text: _line_graph(choices, choices.read(text)))
    if space.name == "nasbench101":
        return _Layout((_INPUT, *NB101_OPERATIONS, _OUTPUT), NB101_VERTICES, _nasbench101)
    if space.name == "tiny_nanobench":
        return _Layout(
            (*tiny_nanobench_cell.OPERATIONS, tiny_nanobench_cell.SPLIT, _OUTPUT), tiny_nanobench_cell.MOST_NODES, _nano
        )
    if space.name == "darts" and rules is not None:
        inner = [f"{cell}_{name}" for cell in ("normal", "reduce") for name in (*rules.operations, _OUTPUT)]
        vertices = 2 * (2 * rules.nodes + 3)
        return _Layout(("input_0", "input_1", *inner), vertices, lambda text: _genotype(space, text))
    return None


def _line_graph(choices: Choices, held: Sequence[str]) -> _Graph:
    """Return the graph of input, places and output; empty places are left out of a chain."""
    held = [name for name in held if name]
    output = len(held) + 1
    if not choices.edges:
        return [_INPUT, *held, _OUTPUT], [(vertex, vertex + 1) for vertex in range(output)]
    last = choices.edges[-1][1]
    edges = []
    for vertex, (source, target) in enumerate(choices.edges, start=1):
        if source == 0:
            edges.append((0, vertex))
        edges += [(vertex, reader) for reader, (node, _) in enumerate(choices.edges, start=1) if node == target]
        if target == last:
            edges.append((vertex, output))
    return [_INPUT, *held, _OUTPUT], edges


def _nasbench101(architecture: str) -> _Graph:
    rows, _, named = architecture.partition(" ")
    edges = [
        (source, target) for source, row in enumerate(rows.split("/")) for target, edge in enumerate(row) if edge == "1"
    ]
    return named.split(","), edges


def _nano(architecture: str) -> _Graph:
    *nodes, output = architecture.split("|")
    parts = [node.partition(">") for node in nodes]
    edges = [(source, int(target)) for source, part in enumerate(parts) for target in part[2].split(",")]
    return [*(operation for operation, _, _ in parts), output], edges


def _genotype(space: SearchSpace, architecture: str) -> _Graph:
    types: list[str] = []
    edges: list[tuple[int, int]] = []
    outputs: list[int] = []
    concat = json.loads(space.parse(architecture))
    for cell, listed in genotype_of(space, architecture).items():
        first = len(types)
        types += ["input_0", "input_1", *(f"{cell}_{operation}" for operation, _ in listed), f"{cell}_{_OUTPUT}"]
        edges += [(output, first + place) for output in outputs for place in (0, 1)]
        outputs = [first + len(listed) + 2]
        making: dict[int, list[int]] = {0: [first], 1: [first + 1]}
        for place, (_, source) in enumerate(listed):
            vertex = first + 2 + place
            edges += [(before, vertex) for before in making[source]]
            making.setdefault(place // 2 + 2, []).append(vertex)
        edges += [(vertex, outputs[0]) for node in concat[f"{cell}_concat"] for vertex in making[node]]
    return types, edges


def _nodes(space: SearchSpace) -> _Layout | None:
    choices = choices_of(space)
    if choices is None or not choices.edges:
        return None
    last = choices.edges[-1][1]
    readers = [sum(source == node for source, _ in choices.edges) for node in range(last)]
    nodes = [f"split_{count}" if count > 1 else "node" for count in readers]
    place, edges, types = {0: 0}, [], [nodes[0]]
    for node in range(1, last + 1):
        entering = [source for source, target in choices.edges if target == node]
        place[node] = len(types) + len(entering)
        for source in entering:
            edges += [(place[source], len(types)), (len(types), place[node])]
            types.append("")
        types.append(_OUTPUT if node == last else nodes[node])

    def of(architecture: str) -> _Graph:
        held = iter(choices.read(architecture))
        return [kind or next(held) for kind in types], edges

    return _Layout((*dict.fromkeys(nodes), *choices.options, _OUTPUT), len(types), of)
