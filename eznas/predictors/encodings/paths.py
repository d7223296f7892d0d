"""Path encodings of cells: an indicator for each possible sequence of operations from the input to the output."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from eznas.predictors.encodings.base import Encoding, EncodingInputs, no_encoding, register_encoding
from eznas.predictors.encodings.cells import NB101_VERTICES, genotype_of, padded_cell, rules_of
from eznas.predictors.encodings.choices import NONE, choices_of
from eznas.spaces.nasbench101 import OPERATIONS as NB101_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.spaces import SearchSpace

_BANANAS = "White, Neiswanger, Savani. BANANAS. AAAI 2021"
_Word = tuple[str, ...]


@dataclass(frozen=True)
class _Paths:
    """The paths of a space.

    Args:
        prefixes: The beginnings of words, such as the cell and its input; one empty word without any.
        operations: The operations of a word.
        lengths: The numbers of operations that a path may have.
        cut: Most operations of a word of the truncated encoding.
        of: Returns the words of an architecture.
        none: The operation that passes nothing on; empty for a space without it.
    """

    prefixes: tuple[_Word, ...]
    operations: tuple[str, ...]
    lengths: range
    cut: int
    of: Callable[[str], Iterable[_Word]]
    none: str = ""


@register_encoding
class Path(Encoding):
    """All paths. A path that contains ``none`` has its own indicator, as if ``none`` were an operation like others.

    For ``nasbench201`` these are 5 + 25 + 125 columns, for ``nasbench101`` the 364 words of up to five operations, and
    for ``darts`` the words from each input of each cell.
    """

    name: ClassVar[str] = "path"
    description: ClassVar[str] = "an indicator of each sequence of operations from the input to the output of a cell"
    paper: ClassVar[str] = _BANANAS

    def __init__(self, inputs: EncodingInputs) -> None:
        space = inputs.known_space(self.name)
        paths = _paths(space)
        if paths is None:
            raise no_encoding(self.name, space)
        self._space = space
        self._words = self._prepare(paths)
        self._place = {word: index for index, word in enumerate(_all_words(self._words))}

    def _prepare(self, paths: _Paths) -> _Paths:
        """Return the paths that the encoding keeps."""
        return paths

    @property
    def columns(self) -> tuple[str, ...]:
        """The operations of each word, between ``>``."""
        return tuple(">".join(word) or "no operation" for word in self._place)

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the indicators; words that the encoding does not keep are left out."""
        del curves
        rows = np.zeros((len(architectures), len(self._place)))
        for row, architecture in zip(rows, architectures, strict=True):
            for word in self._words.of(self._space.parse(architecture)):
                if word in self._place:
                    row[self._place[word]] = 1
        return rows


@register_encoding
class PathWithoutNone(Path):
    """The paths on which no operation is ``none``, for spaces with that operation."""

    name = "path_without_none"
    description = "as path, but without the paths on which an operation is `none`"

    def _prepare(self, paths: _Paths) -> _Paths:
        kept = tuple(name for name in paths.operations if name != paths.none)
        if kept == paths.operations:
            raise no_encoding(self.name, self._space)
        return _Paths(paths.prefixes, kept, paths.lengths, paths.cut, paths.of)


@register_encoding
class PathTruncated(Path):
    """The shorter paths: up to two operations; up to three in ``nasbench101``, as in the published code."""

    name = "path_truncated"
    description = "as path, but only for paths of up to two operations (in nasbench101, of up to three)"

    def _prepare(self, paths: _Paths) -> _Paths:
        lengths = range(paths.lengths.start, paths.cut + 1)
        return _Paths(paths.prefixes, paths.operations, lengths, paths.cut, paths.of)


def _all_words(paths: _Paths) -> Iterator[_Word]:
    for length in paths.lengths:
        for prefix in paths.prefixes:
            yield from ((*prefix, *word) for word in itertools.product(paths.operations, repeat=length))


def _paths(space: SearchSpace) -> _Paths | None:
    """Return the paths of a space; None where it has no cells with paths."""
    choices, rules = choices_of(space), rules_of(space)
    if choices is not None and choices.edges:
        edges, read = choices.edges, choices.read

        def words(text: str) -> Iterator[_Word]:
            return _from_edges([(*edge, name) for edge, name in zip(edges, read(text), strict=True)], {0: ()}, {3})

        return _Paths(((),), choices.options, range(1, 4), 2, words, NONE[space.name])
    if space.name == "nasbench101":
        return _Paths(((),), NB101_OPERATIONS, range(NB101_VERTICES - 1), 3, _nasbench101)
    if space.name == "darts" and rules is not None:
        starts = tuple((cell, str(source)) for cell in ("normal", "reduce") for source in (0, 1))
        lengths = range(1, rules.nodes + 1)
        return _Paths(starts, rules.operations, lengths, 2, lambda text: _genotype(space, text), "none")
    return None


def _from_edges(
    edges: Sequence[tuple[int, int, str]], starts: dict[int, _Word], outputs: Iterable[int]
) -> Iterator[_Word]:
    """Yield the words from the start nodes, each with its prefix, to the outputs; edges are sorted by target."""
    reaching: dict[int, list[_Word]] = {node: [prefix] for node, prefix in starts.items()}
    for source, target, operation in edges:
        reaching.setdefault(target, []).extend((*word, operation) for word in reaching.get(source, []))
    for node in outputs:
        yield from reaching.get(node, [])


def _nasbench101(architecture: str) -> Iterator[_Word]:
    matrix, operations = padded_cell(architecture)
    reaching: list[list[_Word]] = [[()]]
    for vertex in range(1, NB101_VERTICES):
        last = vertex == NB101_VERTICES - 1
        own = () if last else (operations[vertex - 1],)
        reaching.append(
            [(*word, *own) for source in range(vertex) if matrix[source][vertex] for word in reaching[source]]
        )
    yield from reaching[-1]


def _genotype(space: SearchSpace, architecture: str) -> Iterator[_Word]:
    for cell, listed in genotype_of(space, architecture).items():
        edges = [(source, place // 2 + 2, operation) for place, (operation, source) in enumerate(listed)]
        starts: dict[int, _Word] = {source: (cell, str(source)) for source in (0, 1)}
        yield from _from_edges(edges, starts, range(2, len(listed) // 2 + 2))
