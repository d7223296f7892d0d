"""Features of architectures: the words of the string by position, or the paths of a cell.

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


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


ENCODINGS = {"onehot": words, "path": paths}
"""Each maps an architecture to the names of its features."""


class Encoder:
    """Turns architectures into rows of zeros and ones; new features add columns.

    Args:
        name: A name in ``ENCODINGS``.

    Raises:
        InputError: The name is unknown.
    """

    def __init__(self, name: str) -> None:
        if name not in ENCODINGS:
            raise unknown("encoding", name, ENCODINGS)
        self._features = ENCODINGS[name]
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
