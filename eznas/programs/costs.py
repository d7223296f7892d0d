"""An estimate of the time that a program takes on a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.primitives import STATISTICS, Floor, Kind
from eznas.programs.tensor_floor import statistics
from eznas.programs.tree import Node, network_leaves, postorder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_BACKWARD = 2.0
_MEASURE = 3.0  # most measures take a forward and a backward pass
_SMALL = 0.2  # weights and matrices over samples are smaller than inputs and outputs


def passes(names: Iterable[str]) -> tuple[int, int]:
    """Return how many forward and how many backward passes statistics need."""
    read = [STATISTICS[name] for name in names]
    forward, backward = ([fact.forward_passes for fact in read], [fact.backward_passes for fact in read])
    return len(frozenset().union(*forward)), len(frozenset().union(*backward))


def cost(node: Node, prices: Mapping[Node, float] | None = None) -> float:
    """Estimate the time that a program takes on a network, in forward passes.

    A backward pass counts as two. Each distinct primitive on tensors adds its price, scaled by the size of its
    argument, as measured on networks of NAS-Bench-201 on a CPU. Scores of a file, features of the architecture and the
    upper floors are free.

    Args:
        node: A program.
        prices: The prices of measures that it reads as leaves; each other measure counts as a forward and a backward
            pass.
    """
    forward, backward = passes(statistics([node]))
    total = forward + _BACKWARD * backward
    measures = [leaf for leaf in network_leaves([node]) if leaf.name.startswith("measure.")]
    total += sum((prices or {}).get(leaf, _MEASURE) for leaf in measures)
    for part in postorder([node]):
        if part.args and part.args[0].kind.floor is Floor.TENSOR:
            size = _SMALL if part.args[0].kind in (Kind.WEIGHT, Kind.SAMPLES) else 1.0
            total += size * part.primitive.price
    return total
