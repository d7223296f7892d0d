"""A batch of padded graphs, as predictors that read graphs take it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Graphs:
    """``n`` directed acyclic graphs, padded to ``v`` vertices.

    Vertices are in an order in which each comes after those that it reads. The first is an input, and the last one
    before the padding is the output.

    Args:
        adjacency: ``n x v x v``; ``adjacency[i, a, b]`` tells whether vertex ``b`` of graph ``i`` reads vertex ``a``.
        types: ``n x v``, the place of each vertex's type in ``vocabulary``; 0 for padding.
        sizes: ``n``, the number of vertices of each graph without padding.
        vocabulary: The names of the types.
        closed: Those whose vertices pass nothing on.
    """

    adjacency: NDArray[np.bool_]
    types: NDArray[np.int64]
    sizes: NDArray[np.int64]
    vocabulary: tuple[str, ...]
    closed: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of graphs."""
        return len(self.sizes)

    def __getitem__(self, chosen: Any) -> Graphs:
        """Return some of the graphs, by an array of places or of booleans or by a slice."""
        return replace(self, adjacency=self.adjacency[chosen], types=self.types[chosen], sizes=self.sizes[chosen])

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``n x v``, whether a vertex is no padding."""
        return np.arange(self.types.shape[1]) < self.sizes[:, None]

    @property
    def one_hot(self) -> NDArray[np.float64]:
        """``n x v x t``, an indicator of each vertex's type; zeros for padding."""
        indicators = np.eye(len(self.vocabulary))[self.types]
        indicators[~self.mask] = 0
        return indicators

    @classmethod
    def of(
        cls, graphs: Sequence[tuple[Sequence[str], Sequence[tuple[int, int]]]], vertices: int, vocabulary: Sequence[str]
    ) -> Graphs:
        """Pad graphs.

        Args:
            graphs: For each, the types of its vertices, and its edges as (source, target).
            vertices: Number of vertices after padding.
            vocabulary: The names of the types.
        """
        place = {name: index for index, name in enumerate(vocabulary)}
        adjacency = np.zeros((len(graphs), vertices, vertices), dtype=np.bool_)
        types = np.zeros((len(graphs), vertices), dtype=np.int64)
        sizes = np.zeros(len(graphs), dtype=np.int64)
        for index, (named, edges) in enumerate(graphs):
            types[index, : len(named)] = [place[name] for name in named]
            sizes[index] = len(named)
            for source, target in edges:
                adjacency[index, source, target] = True
        return cls(adjacency, types, sizes, tuple(vocabulary))
