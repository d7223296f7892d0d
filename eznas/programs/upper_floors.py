"""The unit and the network floor, over many networks at once.

A reduction of a network is a short vector, so whole populations are evaluated on all networks in memory. Vectors of
networks with the same number of units form a matrix ``n_g x u_g`` (a *block*), and all blocks lie one after another in
a flat tensor. Entrywise primitives run on flat tensors, all others on each block. Numbers of networks,
those of leaves among them, form vectors of ``n``.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from eznas.primitives import Kind
from eznas.programs.tree import Node, is_network_leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence


_CHUNK = 2**20
"""Bytes of the values over units of nodes that run in one call, unless a single one takes more."""

_LARGE = 2**14
"""Bytes of the values over units of a node from which on a copy into a batch takes longer than a call."""

_MOST_BYTES = 2**26
"""Bytes of the values over units of programs that are evaluated together, unless a single program takes more."""


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
    scores = values.index_select(1, layout.order)
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


def _batches(nodes: Iterable[Node]) -> list[list[Node]]:
    """Return nodes in batches that can run one after the other, each of one function with the same literals.

    Args:
        nodes: Distinct nodes, arguments first; the arguments of the others are known.
    """
    levels: dict[Node, int] = {}
    batches: dict[tuple[object, ...], list[Node]] = {}
    for node in nodes:
        levels[node] = level = 1 + max([levels.get(arg, 0) for arg in node.args])
        literal = node.args[-1].name if node.primitive.parameter is not None else ""
        batches.setdefault((level, node.primitive.function, literal), []).append(node)
    return [batch for _, batch in sorted(batches.items(), key=lambda item: cast("int", item[0][0]))]


class _Run:
    """One evaluation.

    Nodes of one function with the same literals run together, because calls cost more than the arithmetic. Values over
    units are freed after the last use of all that ran in one call.
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
        self._bytes = 8 * sum([networks * units for networks, units in layout.shapes])  # of a flat tensor

    def evaluate(self, roots: Sequence[Node]) -> None:
        """Fill ``network`` with the values of the roots and of the network floor below them."""
        order = self._order(roots)
        of_units = [node for node in order if node.kind is Kind.UNIT]
        if len(roots) > 1 and self._bytes * len(of_units) > _MOST_BYTES:
            middle = len(roots) // 2
            self.evaluate(roots[:middle])
            self.evaluate(roots[middle:])
            return
        above = [node for node in order if node.kind is not Kind.UNIT]
        aggregations = [node for node in above if node.args[0].kind is Kind.UNIT]
        uses = Counter([arg for node in (*of_units, *aggregations) for arg in node.args])
        step = max(1, _CHUNK // max(self._bytes, 1))
        for batch in (*_batches(of_units), *_batches(aggregations)):
            for start in range(0, len(batch), step):
                nodes = batch[start : start + step]
                if nodes[0].kind is Kind.UNIT:
                    self._map(nodes)
                else:
                    self._aggregate(nodes)
                for arg in [arg for node in nodes for arg in node.args]:
                    uses[arg] -= 1
                    if not uses[arg]:
                        self.unit.pop(arg, None)
        for batch in _batches([node for node in above if node.args[0].kind is not Kind.UNIT]):
            function = batch[0].primitive.function
            self._keep(batch, function(*self._args(batch, self.network)))

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
    def _args(nodes: Sequence[Node], values: Mapping[Node, Tensor]) -> list[Tensor | float]:
        """Return the arguments of nodes with the same literals, each stacked."""
        return [
            float(column[0].name)
            if column[0].kind is Kind.LITERAL
            else values[column[0]].unsqueeze(0)  # no copy
            if len(column) == 1
            else torch.stack([values[arg] for arg in column])
            for column in zip(*[node.args for node in nodes], strict=True)
        ]

    def _map(self, nodes: Sequence[Node]) -> None:
        """Evaluate a function from units to units."""
        record = nodes[0].primitive
        if record.entrywise and self._bytes >= _LARGE:
            for node in nodes:
                alone = [self.unit[arg] if arg.kind is Kind.UNIT else float(arg.name) for arg in node.args]
                self.unit[node] = record.function(*alone)
            return
        args = self._args(nodes, self.unit)
        if record.entrywise:
            values = record.function(*args)
        else:
            none = torch.empty(len(nodes), 0, dtype=torch.float64)
            values = torch.cat([none, *[record.function(*block).flatten(1) for block in self._blocks(args)]], dim=1)
        self.unit.update(zip(nodes, values.unbind(), strict=True))

    def _aggregate(self, nodes: Sequence[Node]) -> None:
        """Evaluate a function from units to a number of the network."""
        function, args = nodes[0].primitive.function, self._args(nodes, self.unit)
        without = torch.full((len(nodes), self.layout.unitless), math.nan, dtype=torch.float64)
        self._keep(nodes, torch.cat([*[function(*block) for block in self._blocks(args)], without], dim=-1))

    def _keep(self, nodes: Sequence[Node], values: Tensor) -> None:
        rows = dict(zip(nodes, values.unbind(), strict=True))
        self.network.update(rows)
        self.memo.update(rows)

    def _blocks(self, args: Sequence[Tensor | float]) -> Iterator[tuple[Tensor | float, ...]]:
        """Iterate over the arguments of each block."""
        columns = [repeat(arg) if isinstance(arg, float) else self.layout.blocks(arg) for arg in args]
        return zip(*columns, strict=False)
