"""Features with names that are read off the string: its words by position, or the paths of a cell.

``words`` needs no knowledge of the space. ``GrowingEncoder`` serves searches, which meet new words as they run.

References:
    [BANANAS] White, Neiswanger, Savani. BANANAS: Bayesian Optimization with Neural Architectures for Neural
        Architecture Search. AAAI 2021.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError, unknown
from eznas.predictors.encodings.base import Encoding, EncodingInputs, register_encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves


_WORD = re.compile(r"\w+")
_EDGE = re.compile(r"(\w+)~(\d+)")


@lru_cache(maxsize=1 << 16)
def words(architecture: str) -> tuple[str, ...]:
    """Return each word of the string with its position, as in ``"0:nor_conv_3x3"``."""
    return tuple(f"{position}:{word}" for position, word in enumerate(_WORD.findall(architecture)))


@lru_cache(maxsize=1 << 16)
def paths(architecture: str) -> tuple[str, ...]:
    """Return each path from the input to the output of a cell as its operations.

    This is the path encoding of [BANANAS] for cells written as ``|operation~source|...|+|...|``, node by node. Paths
    through ``none`` are left out.

    Raises:
        InputError: The architecture has another format.
    """
    nodes = [_EDGE.findall(node) for node in architecture.split("+")]
    if not all(nodes):
        raise InputError(f"the path encoding needs cells in the format of nasbench201, got {architecture!r}")
    reaching: list[list[str]] = [[""]]
    for node in nodes:
        reaching.append(
            [
                f"{before}>{operation}"
                for operation, source in node
                if operation != "none"
                for before in reaching[int(source)]
            ]
        )
    return tuple(dict.fromkeys(reaching[-1]))


GROWING = {"onehot": words, "path": paths}
"""Each maps an architecture to the names of its features."""


@register_encoding
class Words(Encoding):
    """An indicator of each word at each position, among those in the architectures of the fit."""

    name = "words"
    description = (
        "an indicator of each word at each position in the string of the architecture. A word consists of letters, "
        "digits and underscores; only the words that the fit has seen have indicators. The encoding works for any "
        "space"
    )
    learns = True

    def __init__(self, inputs: EncodingInputs) -> None:
        del inputs
        self._place: dict[str, int] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The positions and words of the last fit."""
        return tuple(self._place)

    def learn(self, architectures: Sequence[str]) -> None:
        """Make a column for each word of these architectures."""
        found = dict.fromkeys(word for architecture in architectures for word in words(architecture))
        self._place = {word: index for index, word in enumerate(found)}

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the indicators; words without a column are left out."""
        del curves
        rows = np.zeros((len(architectures), len(self._place)))
        for row, architecture in zip(rows, architectures, strict=True):
            row[[self._place[word] for word in words(architecture) if word in self._place]] = 1
        return rows


class GrowingEncoder:
    """Turns architectures into rows of zeros and ones; new features add columns.

    Args:
        name: A name in ``GROWING``.

    Raises:
        InputError: The name is unknown.
    """

    def __init__(self, name: str) -> None:
        if name not in GROWING:
            raise unknown("encoding", name, GROWING)
        self._features = GROWING[name]
        self._columns: dict[str, int] = {}

    def rows(self, architectures: Sequence[str]) -> NDArray[np.float64]:
        """Return ``n x f`` features; later calls may have more columns."""
        columns = [
            [self._columns.setdefault(feature, len(self._columns)) for feature in self._features(architecture)]
            for architecture in architectures
        ]
        rows = np.zeros((len(architectures), max(len(self._columns), 1)))
        for row, ones in zip(rows, columns, strict=True):
            row[ones] = 1.0
        return rows
