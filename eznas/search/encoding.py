"""Architectures as numbers: the words of the string by place, or the paths of a cell.

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

__all__ = ["ENCODINGS", "Encoder", "paths", "words"]

_WORD = re.compile(r"\w+")
_EDGE = re.compile(r"(\w+)~(\d+)")


@lru_cache(maxsize=1 << 16)
def words(architecture: str) -> tuple[str, ...]:
    """Return every word of the string with its place, as in ``"0:nor_conv_3x3"``."""
    return tuple(f"{place}:{word}" for place, word in enumerate(_WORD.findall(architecture)))


@lru_cache(maxsize=1 << 16)
def paths(architecture: str) -> tuple[str, ...]:
    """Return every path from the input to the output of a cell as the operations on its way.

    The path encoding of [BANANAS], for cells that are written node by node as ``|operation~source|...|+|...|``.
    A path through ``none`` does not exist.

    Raises:
        InputError: The architecture is not written so.
    """
    nodes = [_EDGE.findall(node) for node in architecture.split("+")]
    if not all(nodes):
        raise InputError(f"the path encoding must have cells as nasbench201 writes them, got {architecture!r}")
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
"""From an architecture to its features, each there or not."""


class Encoder:
    """Turns architectures into rows of zeros and ones; columns are added as features come up.

    Args:
        name: One of ``ENCODINGS``.

    Raises:
        InputError: There is no such encoding.
    """

    def __init__(self, name: str) -> None:
        if name not in ENCODINGS:
            raise unknown("encoding", name, ENCODINGS)
        self._features = ENCODINGS[name]
        self._columns: dict[str, int] = {}

    def rows(self, architectures: Sequence[str]) -> NDArray[np.float64]:
        """Return ``n x f`` features; rows of one call have the same columns, later calls may have more."""
        places = [
            [self._columns.setdefault(feature, len(self._columns)) for feature in self._features(architecture)]
            for architecture in architectures
        ]
        rows = np.zeros((len(architectures), max(len(self._columns), 1)))
        for row, columns in zip(rows, places, strict=True):
            row[columns] = 1.0
        return rows
