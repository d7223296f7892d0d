"""Architectures as sequences of tokens, as recurrent predictors read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.predictors.encodings.base import Encoding, EncodingInputs, no_encoding, register_encoding
from eznas.predictors.encodings.cells import NB101_VERTICES, genotype_of, padded_cell, rules_of
from eznas.predictors.encodings.choices import choices_of
from eznas.spaces.nasbench101 import OPERATIONS as NB101_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.choices import Choices
    from eznas.spaces import SearchSpace

_PADDING, _NO_EDGE, _EDGE, _FIRST = 0, 1, 2, 3


@register_encoding
class Tokens(Encoding):
    """Sequences of whole numbers; 0 is padding.

    - A graph of operations is read vertex by vertex after the input: for each earlier vertex 1, or 2 for an edge, then
      the operation from 3. For ``nasbench101`` these are seven vertices, 27 tokens and a vocabulary of 7; for
      ``nasbench201`` and ``transnas_micro`` the six operations between input and output, 35 tokens and a vocabulary
      of 9 or 8.
    - A genotype is read edge by edge: its input from 1, then its operation.
    - Other spaces have one token for each place.
    """

    name = "tokens"
    description = "the architecture as a sequence of whole numbers, vertex by vertex, with 0 as padding"
    paper = "Luo, Tian, Qin, Chen, Liu. Neural Architecture Optimization. NeurIPS 2018"

    def __init__(self, inputs: EncodingInputs) -> None:
        space = inputs.known_space(self.name)
        self._space = space
        self.vocabulary, length, self._read = _sequences(space)
        self._columns = tuple(map(str, range(length)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The places of the sequence."""
        return self._columns

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the sequences."""
        del curves
        sequences = [self._read(self._space.parse(architecture)) for architecture in architectures]
        return np.array(sequences, dtype=np.float64).reshape(len(sequences), len(self._columns))


def _sequences(space: SearchSpace) -> tuple[int, int, Callable[[str], list[int]]]:
    """Return the vocabulary's size, the length, and a function from an official string to its tokens."""
    choices, rules = choices_of(space), rules_of(space)
    if choices is not None and choices.edges:
        vertices = len(choices.edges) + 2
        return len(choices.options) + _FIRST + 1, _graph_length(vertices), lambda text: _line_graph(choices, text)
    if choices is not None:
        return (
            len(choices.options) + 1,
            len(choices.places),
            lambda text: [choices.options.index(held) + 1 if held else _PADDING for held in choices.read(text)],
        )
    if space.name == "nasbench101":
        return len(NB101_OPERATIONS) + _FIRST + 1, _graph_length(NB101_VERTICES), nasbench101_tokens
    if space.name == "darts" and rules is not None:
        inputs = rules.nodes + 1
        return (
            inputs + len(rules.operations) + 1,
            8 * rules.nodes,
            lambda text: [
                token
                for edges in genotype_of(space, text).values()
                for operation, source in edges
                for token in (source + 1, inputs + rules.operations.index(operation) + 1)
            ],
        )
    raise no_encoding(Tokens.name, space)


def _graph_length(vertices: int) -> int:
    return sum(vertex + 1 for vertex in range(1, vertices))


def _graph_tokens(matrix: Sequence[Sequence[int]], operations: Sequence[int]) -> list[int]:
    """Return the tokens of a graph from its adjacency matrix and the tokens of the vertices after the input."""
    tokens = []
    for vertex, operation in enumerate(operations, start=1):
        tokens += [_EDGE if matrix[source][vertex] else _NO_EDGE for source in range(vertex)]
        tokens.append(operation)
    return tokens


def nasbench101_tokens(architecture: str) -> list[int]:
    """Return the tokens of a matrix of up to seven vertices, including vertices that lie on no path."""
    matrix, operations = padded_cell(architecture)
    named = [NB101_OPERATIONS.index(name) + _FIRST if name else _PADDING for name in operations]
    return _graph_tokens(matrix, [*named, len(NB101_OPERATIONS) + _FIRST])


def _line_graph(choices: Choices, architecture: str) -> list[int]:
    """Return the tokens of the graph whose vertices are the input, the operations and the output."""
    ends = [(-1, 0), *choices.edges, (choices.edges[-1][1], -1)]
    matrix = [[int(target == source) for source, _ in ends] for _, target in ends]
    named = [choices.options.index(held) + _FIRST for held in choices.read(architecture)]
    return _graph_tokens(matrix, [*named, len(choices.options) + _FIRST])
