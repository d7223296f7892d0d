"""Hypothesis strategies for whoever tests against the language: random well-typed programs from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas import primitives
from eznas.primitives import STATISTICS, Kind
from eznas.programs.tree import Node, apply, leaf, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from eznas.primitives import Primitive, Signature


def programs(kind: Kind = Kind.NETWORK, depth: int = 5, network_leaves: Sequence[str] = ()) -> SearchStrategy[Node]:
    """Return a strategy for programs of a kind, made of every registered primitive and statistic.

    Args:
        kind: The kind of the programs' values.
        depth: Primitives on the longest path, about; beyond it, a path ends as soon as the kinds allow.
        network_leaves: Leaves of the network floor, such as ``"measure.synflow"``, that the programs may read.
    """
    from hypothesis import strategies

    leaves = {one: [name for name, fact in STATISTICS.items() if fact.kind is one] for one in Kind}
    leaves[Kind.NETWORK] += network_leaves
    makers: dict[Kind, list[tuple[Primitive, Signature]]] = {one: [] for one in Kind}
    for record in primitives.all_primitives():
        for signature in record.signatures:
            makers[signature.result].append((record, signature))

    @strategies.composite
    def build(draw: DrawFn, kind: Kind, depth: int) -> Node:
        if leaves[kind] and (depth <= 0 or draw(strategies.integers(0, 3)) == 0):
            return leaf(draw(strategies.sampled_from(leaves[kind])))
        ways = makers[kind] if depth > 0 else [way for way in makers[kind] if kind not in way[1].args]
        record, signature = draw(strategies.sampled_from(ways))
        args = []
        for one in signature.args:
            if one is Kind.LITERAL and record.parameter is not None:
                args.append(literal(draw(strategies.sampled_from(record.parameter.choices))))
            else:
                args.append(draw(build(one, depth - 1)))
        return apply(record.name, *args)

    return build(kind, depth)
