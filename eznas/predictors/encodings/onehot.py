"""The adjacency one-hot encoding: an indicator for each operation at each place, and for each edge."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from eznas.predictors.encodings.base import Encoding, EncodingInputs, no_encoding, register_encoding
from eznas.predictors.encodings.cells import NB101_VERTICES, genotype_of, padded_cell, rules_of, sizes_of
from eznas.predictors.encodings.choices import choices_of
from eznas.spaces.nasbench101 import OPERATIONS as NB101_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.spaces import SearchSpace


@register_encoding
class OneHot(Encoding):
    """Columns by space.

    - ``nasbench201``, ``transnas_micro``: each operation on each of the six edges.
    - ``nasbench101``: each edge of seven vertices, then each operation on the five inner vertices. A smaller cell keeps
      its first vertices and its output is the last.
    - spaces of genotypes: how often each operation stands on each edge of both cells. The order of the two terms of a
      node does not matter. Where the space has them, width and depth follow as numbers.
    - ``transnas_macro``, ``nats_sss``, ``nasbench_macro``: each layer or width at each place.
    """

    name = "onehot"
    description = "an indicator of each operation at each place, and of each edge if architectures have different edges"
    paper = "White, Neiswanger, Nolen, Savani. A Study on Encodings for Neural Architecture Search. NeurIPS 2020"

    def __init__(self, inputs: EncodingInputs) -> None:
        self._columns, self._values = _columns_and_values(inputs.known_space(self.name))
        self._place = {column: index for index, column in enumerate(self._columns)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._columns

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the indicators."""
        del curves
        rows = np.zeros((len(architectures), len(self._columns)))
        for row, architecture in zip(rows, architectures, strict=True):
            for column, value in self._values(architecture).items():
                row[self._place[column]] = value
        return rows


def _columns_and_values(space: SearchSpace) -> tuple[tuple[str, ...], Callable[[str], Mapping[str, float]]]:
    """Return the names of the columns, and a function from an architecture to those that are not 0."""
    choices = choices_of(space)
    if choices is not None:
        names = tuple(f"{place}_{option}" for place in choices.places for option in choices.options)
        return names, lambda text: {
            f"{place}_{held}": 1
            for place, held in zip(choices.places, choices.read(space.parse(text)), strict=True)
            if held
        }
    if space.name == "nasbench101":
        edges = [f"{source}>{target}" for source, target in itertools.combinations(range(NB101_VERTICES), 2)]
        inner = [f"{vertex}_{name}" for vertex in range(1, NB101_VERTICES - 1) for name in NB101_OPERATIONS]
        return (*edges, *inner), lambda text: dict.fromkeys(_nasbench101(space.parse(text)), 1)
    rules = rules_of(space)
    if rules is None:
        raise no_encoding(OneHot.name, space)
    sources = [(node + 2, source) for node in range(rules.nodes) for source in range(node + 2)]
    names = tuple(
        f"{cell}_{source}>{target}_{operation}"
        for cell in ("normal", "reduce")
        for target, source in sources
        for operation in rules.operations
    )
    return (*names, *sizes_of(space)), lambda text: _genotype(space, text)


def _nasbench101(architecture: str) -> list[str]:
    matrix, operations = padded_cell(architecture)
    pairs = itertools.combinations(range(NB101_VERTICES), 2)
    edges = [f"{source}>{target}" for source, target in pairs if matrix[source][target]]
    return edges + [f"{vertex}_{name}" for vertex, name in enumerate(operations, start=1) if name]


def _genotype(space: SearchSpace, architecture: str) -> dict[str, float]:
    edges = Counter(
        f"{cell}_{source}>{place // 2 + 2}_{operation}"
        for cell, listed in genotype_of(space, architecture).items()
        for place, (operation, source) in enumerate(listed)
    )
    loaded = json.loads(space.parse(architecture))
    return {**edges, **{size: loaded[size] for size in sizes_of(space)}}
