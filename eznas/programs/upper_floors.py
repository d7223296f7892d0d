"""The unit and the network floor, over many networks at once.

A reduction of a network is a short vector, so whole populations are evaluated on all networks in memory. Vectors of
networks with the same number of units form a matrix ``n_g x u_g`` (a *block*), and all blocks lie one after another in
a flat tensor. Entrywise primitives run once on the flat tensor, all others once on each block. Numbers of networks,
those of leaves among them, form vectors of ``n``.
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
from eznas.programs.tree import Node, is_network_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence


_BATCH = 32  # aggregations that run in one call


class Layout:
    """Groups networks by their number of units.

    Args:
        counts: The number of units of each network; a program that reads units has no score on one without any.

    Attributes:
        counts: As given.
        networks: For each distinct count above 0, ascending, the positions of its networks.
        shapes: ``(n_g, u_g)`` of each block.
        places: The positions of the ``n`` networks in the layout's order: block after block, then ``unitless``.
        unitless: The number of networks without units.
        order: ``n`` places of the networks in the layout's order.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = tuple(counts)
        groups: dict[int, list[int]] = {count: [] for count in sorted(set(counts) - {0})}
        without: list[int] = []
        for place, count in enumerate(counts):
            (groups[count] if count else without).append(place)
        self.networks = tuple(tuple(networks) for networks in groups.values())
        self.shapes = tuple((len(networks), count) for count, networks in groups.items())
        self.unitless = len(without)
        self.places = torch.tensor([*(place for networks in self.networks for place in networks), *without]).long()
        self.order = self.places.argsort()
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
    leaves: Mapping[Node, Tensor] | None = None,
) -> Tensor:
    """Evaluate programs made of known reductions and leaves on all networks; each distinct node once.

    Args:
        roots: ``p`` programs.
        vectors: The values of their reductions.
        layout: The layout of the vectors; of ``n`` zeros where programs read leaves alone.
        memo: Known values of nodes of the network floor on the same networks, in the layout's order; it is extended.
        leaves: The values of their leaves of the network floor: ``n`` float64 in the order of the networks, not finite
            where a network has none.

    Returns:
        ``p x n`` float64 scores in the order of the networks; not finite where a program is undefined, and NaN where it
        reads a leaf without a value or units of a network that has none.

    Raises:
        KeyError: ``vectors`` lacks a reduction, or ``leaves`` a leaf.
    """
    if not roots or not layout.counts:
        return torch.empty(len(roots), len(layout.counts), dtype=torch.float64)
    leaves = {} if leaves is None else leaves
    run = _Run(vectors, leaves, layout, {} if memo is None else memo)
    with torch.inference_mode():
        run.evaluate(roots)
        values = torch.stack([run.network[root] for root in roots])
    scores = values[:, layout.order]
    lacking = {leaf: absent for leaf, values in leaves.items() if (absent := ~values.isfinite()).any()}
    unitless = torch.tensor([not count for count in layout.counts]) if vectors and layout.unitless else None
    if lacking or unitless is not None:
        _mark_undefined(scores, roots, lacking, unitless)
    return scores


def _mark_undefined(
    scores: Tensor, roots: Sequence[Node], lacking: Mapping[Node, Tensor], unitless: Tensor | None
) -> None:
    """Set the scores of networks to NaN where a program reads something that they do not have.

    The value alone does not show it: ``power(x, 0)`` of NaN is 1, and ``reciprocal`` of an infinity is 0.

    Args:
        scores: ``p x n``, changed in place.
        roots: The ``p`` programs.
        lacking: ``n`` flags for leaves: whether a network has no value.
        unitless: ``n`` flags: whether a network has no units; None where no program reads units or all networks have.
    """
    for row, root in enumerate(roots):
        for node in _read_by(root):
            undefined = lacking.get(node) if node.kind is Kind.NETWORK else unitless
            if undefined is not None:
                scores[row, undefined] = math.nan


def _read_by(root: Node) -> Iterator[Node]:
    """Iterate over the distinct leaves and unit trees that the network floor of a program reads."""
    stack, seen = [root], {root}
    while stack:
        node = stack.pop()
        if node.kind is Kind.UNIT or is_network_leaf(node):
            yield node
            continue
        new = [arg for arg in node.args if arg not in seen]
        seen.update(new)
        stack += new


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

    Functions from units to units run node by node, so that their values can be freed early. Aggregations, and functions
    of numbers of networks, run in batches, because calls cost more than the arithmetic.
    """

    def __init__(
        self,
        vectors: Mapping[Node, Ragged],
        leaves: Mapping[Node, Tensor],
        layout: Layout,
        memo: MutableMapping[Node, Tensor],
    ) -> None:
        self.vectors = vectors
        self.leaves = leaves
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
        self._combine(combinations)

    def _combine(self, nodes: Sequence[Node]) -> None:
        """Evaluate functions of numbers of networks: those of one function whose arguments are known, together."""
        levels: dict[Node, int] = {}
        batches: dict[tuple[int, object, object], _Batch] = {}
        for node in nodes:  # arguments first
            levels[node] = level = 1 + max([levels.get(arg, 0) for arg in node.args])
            pattern = tuple([arg.name if arg.kind is Kind.LITERAL else None for arg in node.args])
            key = (level, node.primitive.function, pattern)
            batches.setdefault(key, _Batch(node.primitive.function)).nodes.append(node)
        for _, batch in sorted(batches.items(), key=lambda item: item[0][0]):
            columns = zip(*[self._args(node, self.network) for node in batch.nodes], strict=True)
            args = [column[0] if isinstance(column[0], float) else torch.stack(column) for column in columns]
            for node, value in zip(batch.nodes, batch.function(*args).unbind(), strict=True):
                self.network[node] = self.memo[node] = value

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
            elif node in self.leaves:
                self.network[node] = self.memo[node] = self.leaves[node][self.layout.places]
            elif node in self.vectors:
                self.unit[node] = self.vectors[node].flat
            elif is_network_leaf(node):
                raise KeyError(f"leaves must hold the values of {node}")
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
        values = [function(*block).flatten() for block in self._blocks(args)]
        return torch.cat(values) if values else torch.empty(0, dtype=torch.float64)

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
        without = torch.full((len(batch.nodes), self.layout.unitless), math.nan, dtype=torch.float64)
        values = torch.cat([*[batch.function(*block) for block in self._blocks(args)], without], dim=-1)
        for node, value in zip(batch.nodes, values.unbind(), strict=True):
            self.network[node] = self.memo[node] = value

    def _blocks(self, args: Sequence[Tensor | float]) -> Iterator[tuple[Tensor | float, ...]]:
        """Iterate over the arguments of each block."""
        columns = [repeat(arg) if isinstance(arg, float) else self.layout.blocks(arg) for arg in args]
        return zip(*columns, strict=False)
