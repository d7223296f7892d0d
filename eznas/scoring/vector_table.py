"""The values of known reductions and leaves on networks, from which programs are scored without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.programs import Layout, Node, Ragged, evaluate_upper, simplify_exact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.scoring.evaluate_networks import Vectors


_MEMO_NODES = 50_000


class VectorTable:
    """For each of ``n`` networks, a vector over units for each known reduction, and a number for each known leaf."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._vectors: dict[Node, Ragged] = {}
        self._finite: dict[Node, NDArray[np.bool_]] = {}
        self._forms: dict[Node, Node] = {}  # a known reduction by its simplified form
        self._leaves: dict[Node, torch.Tensor] = {}
        self._memo: dict[Node, torch.Tensor] = {}

    @property
    def leaves(self) -> list[Node]:
        """The known leaves of the network floor, in the order in which they were learned."""
        return list(self._leaves)

    @property
    def units(self) -> list[int] | None:
        """The number of units of each network; None while no reduction is known."""
        return None if self._layout is None else list(self._layout.counts)

    def missing(self, reductions: Sequence[Node]) -> list[Node]:
        """Return the reductions to evaluate: of those that ``simplify_exact`` makes equal, the first."""
        forms: dict[Node, Node] = {}
        for node in dict.fromkeys(reductions):
            if node not in self._vectors and (form := simplify_exact(node)) not in self._forms:
                forms.setdefault(form, node)
        return list(forms.values())

    def learn(self, reductions: Sequence[Node], networks: Sequence[Vectors]) -> None:
        """Add the vectors of new reductions on each of the ``n`` networks."""
        if self._layout is None:
            self._layout = Layout([vectors.units for vectors in networks])
            self._memo.clear()  # values of leaves lie in the layout's order
        finite = np.array([(vectors.units > 0) & np.isfinite(vectors.values).all(axis=1) for vectors in networks])
        for row, node in enumerate(reductions):
            self._vectors[node] = self._layout.ragged([torch.from_numpy(vectors.values[row]) for vectors in networks])
            self._finite[node] = finite[:, row]
            self._forms[simplify_exact(node)] = node

    def leave_out(self, networks: Collection[int]) -> None:
        """Drop the values of networks, given by position; they have no units and no score from here on."""
        for values in self._leaves.values():
            values[list(networks)] = torch.nan
        self._memo.clear()
        if self._layout is None:
            return
        layout = Layout([0 if place in networks else count for place, count in enumerate(self._layout.counts)])
        for node, ragged in self._vectors.items():
            kept = [vector[:count] for vector, count in zip(ragged.vectors(), layout.counts, strict=True)]
            self._vectors[node] = layout.ragged(kept)
        self._layout = layout

    def learn_leaves(self, values: Mapping[Node, NDArray[np.float64]]) -> None:
        """Add leaves of the network floor: ``n`` numbers each, not finite where a network has none."""
        for leaf, numbers in values.items():
            self._leaves[leaf] = torch.tensor(numbers, dtype=torch.float64)
            self._finite[leaf] = np.isfinite(numbers)
        self._memo.clear()

    def finite(self, nodes: Sequence[Node]) -> list[NDArray[np.bool_]]:
        """Return ``n`` flags for each node, by network: whether all values of a reduction, or a leaf, are finite.

        A reduction that ``simplify_exact`` makes equal to a known one is known from here on.
        """
        for node in nodes:
            if node not in self._finite:
                equal = self._forms[simplify_exact(node)]
                self._vectors[node], self._finite[node] = self._vectors[equal], self._finite[equal]
        return [self._finite[node] for node in nodes]

    def forget(self, nodes: Sequence[Node]) -> None:
        """Drop the values of reductions and leaves."""
        for node in nodes:
            self._vectors.pop(node, None)
            self._leaves.pop(node, None)
            self._finite.pop(node, None)
        self._forms = {form: node for form, node in self._forms.items() if node in self._vectors}
        self._memo.clear()

    def scores(self, programs: Sequence[Node]) -> NDArray[np.float64]:
        """Score ``p`` programs made of known reductions and leaves.

        Returns:
            ``p x n`` scores; not finite where a program is undefined.
        """
        layout = self._layout
        if layout is None and self._leaves:
            layout = Layout([0] * len(next(iter(self._leaves.values()))))
        if layout is None:
            raise ValueError("the table must hold the programs' reductions before it can score them")
        if len(self._memo) > _MEMO_NODES:
            self._memo.clear()
        return evaluate_upper(programs, self._vectors, layout, self._memo, self._leaves).numpy()
