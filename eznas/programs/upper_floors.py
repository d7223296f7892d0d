"""The unit and the network floor, over many networks at once.

A reduction of a network is a short vector, so whole populations are evaluated on all networks in memory. Vectors of
networks with the same number of units form a matrix ``n_g x u_g`` (a *block*), and all blocks lie one after another in
a flat tensor. Entrywise primitives run once on the flat tensor, all others once on each block.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.primitives import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence

    from eznas.programs.tree import Node


_BATCH = 32  # aggregations that run in one call


class Layout:
    """Groups networks by their number of units.

    Args:
        counts: The number of units of each network; one without units has no score.

    Attributes:
        counts: As given.
        networks: For each distinct count above 0, ascending, the positions of its networks.
        shapes: ``(n_g, u_g)`` of each block.
        order: ``n`` positions of the networks in the blocks; -1 for one without units.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        places: dict[int, list[int]] = {count: [] for count in sorted(set(counts) - {0})}
        for place, count in enumerate(counts):
            if count:
                places[count].append(place)
        self.networks = tuple(tuple(networks) for networks in places.values())
        self.shapes = tuple((len(networks), count) for count, networks in places.items())
        held = [place for networks in self.networks for place in networks]
        self.order = torch.full((len(self.counts),), -1)
        self.order[held] = torch.arange(len(held))
        self._starts = tuple(accumulate([networks * count for networks, count in self.shapes], initial=0))[:-1]

    def ragged(self, vectors: Sequence[Tensor]) -> Ragged:
        """Arrange one reduction's ``n`` vectors, ``u`` numbers each, given in the order of the networks.

        Raises:
            ValueError: The length of a vector is not the number of units of its network.
        """
        lengths = tuple(len(vector) for vector in vectors)
        if lengths != self.counts:
            raise ValueError(f"vectors must be as long as the networks have units, {self.counts}, got {lengths}")
        held = [vectors[place] for networks in self.networks for place in networks]
        return Ragged(self, torch.cat(held or [torch.empty(0)]).to(torch.float64))

    def blocks(self, flat: Tensor) -> list[Tensor]:
        """Return views of contiguous flat tensors: ``n_g x u_g`` of one, ``k x n_g x u_g`` of ``k`` stacked ones."""
        lead, strides, offset = flat.shape[:-1], flat.stride()[:-1], flat.storage_offset()
        return [
            flat.as_strided((*lead, networks, count), (*strides, count, 1), offset + start)
            for (networks, count), start in zip(self.shapes, self._starts, strict=True)
        ]


@dataclass(frozen=True)
class Ragged:
    """One number for each unit of each network.

    Args:
        layout: The number of units of each network.
        flat: The numbers, float64 and contiguous: block after block, network after network, unit after unit.
    """

    layout: Layout
    flat: Tensor

    @property
    def blocks(self) -> tuple[Tensor, ...]:
        """``n_g x u_g`` for each distinct number of units, ascending."""
        return tuple(self.layout.blocks(self.flat))

    def vectors(self) -> list[Tensor]:
        """Return the ``n`` vectors in the order of the networks, as ``Layout.ragged`` takes them."""
        vectors = [self.flat[:0]] * len(self.layout.counts)
        for places, block in zip(self.layout.networks, self.blocks, strict=True):
            for place, vector in zip(places, block, strict=True):
                vectors[place] = vector
        return vectors


def evaluate_upper(
    roots: Sequence[Node],
    vectors: Mapping[Node, Ragged],
    layout: Layout,
    memo: MutableMapping[Node, Tensor] | None = None,
) -> Tensor:
    """Evaluate programs made of known reductions on all networks; each distinct node once.

    Args:
        roots: ``p`` programs.
        vectors: The values of their reductions.
        layout: The layout of the vectors.
        memo: Known values of nodes of the network floor on the same networks, in the layout's order; it is extended.

    Returns:
        ``p x n`` float64 scores in the order of the networks; not finite where a program is undefined.

    Raises:
        KeyError: ``vectors`` lacks a reduction.
    """
    scores = torch.full((len(roots), len(layout.counts) + 1), math.nan, dtype=torch.float64)
    if layout.shapes and roots:
        run = _Run(vectors, layout, {} if memo is None else memo)
        with torch.inference_mode():
            run.evaluate(roots)
            values = torch.stack([run.network[root] for root in roots])
        scores[:, : values.shape[1]] = values
    return scores[:, layout.order]  # networks without units take the last column, which is NaN


def _pattern(args: Sequence[Tensor | float]) -> tuple[float | None, ...]:
    return tuple([arg if isinstance(arg, float) else None for arg in args])


@dataclass
class _Batch:
    """Aggregations of one function with the same literals, to be run together.

    Args:
        function: The aggregation.
        nodes: ``k`` nodes.
        args: The arguments of each node.
    """

    function: Callable[..., Tensor]
    nodes: list[Node] = field(default_factory=list)
    args: list[list[Tensor | float]] = field(default_factory=list)


class _Run:
    """One evaluation.

    Functions from units to units run node by node, so that their values can be freed early. Aggregations run in
    batches, because calls on blocks cost more than the arithmetic.
    """

    def __init__(self, vectors: Mapping[Node, Ragged], layout: Layout, memo: MutableMapping[Node, Tensor]) -> None:
        self.vectors = vectors
        self.layout = layout
        self.memo = memo
        self.unit: dict[Node, Tensor] = {}  # flat
        self.network: dict[Node, Tensor] = {}  # one number for each network, in the layout's order
        self.batches: dict[tuple[object, ...], _Batch] = {}

    def evaluate(self, roots: Sequence[Node]) -> None:
        """Fill ``network`` with the values of the roots and of the network floor below them."""
        order = self._order(roots)
        uses = Counter([arg for node in order for arg in node.args])
        combinations = []
        for node in order:
            if node.kind is Kind.UNIT:
                self.unit[node] = self._map(node)
            elif node.args[0].kind is Kind.UNIT:
                self._collect(node)
            else:
                combinations.append(node)
                continue
            for arg in node.args:
                uses[arg] -= 1
                if not uses[arg]:
                    self.unit.pop(arg, None)
        for batch in self.batches.values():
            self._aggregate(batch)
        for node in combinations:
            self.network[node] = self.memo[node] = node.primitive.function(*self._args(node, self.network))

    def _order(self, roots: Sequence[Node]) -> list[Node]:
        """Return the distinct nodes to evaluate, arguments first, and copy known values into the tables."""
        order: dict[Node, None] = {}
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order[node] = None
            elif node in order or node in self.network or node in self.unit or node.kind is Kind.LITERAL:
                continue
            elif node in self.memo:
                self.network[node] = self.memo[node]
            elif node in self.vectors:
                self.unit[node] = self.vectors[node].flat
            elif not node.args:
                raise KeyError(f"vectors must hold every reduction of the programs; one that reads {node} is missing")
            else:
                stack.append((node, True))
                stack += [(arg, False) for arg in reversed(node.args)]
        return list(order)

    @staticmethod
    def _args(node: Node, values: Mapping[Node, Tensor]) -> list[Tensor | float]:
        return [float(arg.name) if arg.kind is Kind.LITERAL else values[arg] for arg in node.args]

    def _map(self, node: Node) -> Tensor:
        function, args = node.primitive.function, self._args(node, self.unit)
        if node.primitive.entrywise:
            return function(*args)
        return torch.cat([function(*block).flatten() for block in self._blocks(args)])

    def _collect(self, node: Node) -> None:
        function, args = node.primitive.function, self._args(node, self.unit)
        key = (function, _pattern(args))
        batch = self.batches.setdefault(key, _Batch(function))
        batch.nodes.append(node)
        batch.args.append(args)
        if len(batch.nodes) == _BATCH:
            self._aggregate(self.batches.pop(key))

    def _aggregate(self, batch: _Batch) -> None:
        columns = zip(*batch.args, strict=True)
        args = [column[0] if isinstance(column[0], float) else torch.stack(column) for column in columns]
        values = torch.cat([batch.function(*block) for block in self._blocks(args)], dim=-1)
        for node, value in zip(batch.nodes, values.unbind(), strict=True):
            self.network[node] = self.memo[node] = value

    def _blocks(self, args: Sequence[Tensor | float]) -> Iterator[tuple[Tensor | float, ...]]:
        """Iterate over the arguments of each block."""
        columns = [repeat(arg) if isinstance(arg, float) else self.layout.blocks(arg) for arg in args]
        return zip(*columns, strict=False)
