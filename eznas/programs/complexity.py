"""How large a program is, and about how much it costs on a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas import primitives
from eznas.primitives import STATISTICS, Floor, Kind
from eznas.programs.tensor_floor import statistics
from eznas.programs.tree import Node, postorder

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["complexity", "cost", "passes"]

_BACKWARD = 2.0
_ELEMENTWISE = 0.1
_PRICES = {"matrices": 2.0, "distances": 0.3, "similarity": 0.3, "spectral": 0.3}
_SMALL = 0.2  # weights and matrices over samples are smaller than inputs and outputs


def complexity(node: Node) -> int:
    """Return the number of nodes of the tree: primitives, statistics and numbers, each as often as it is written."""
    return node.size


def passes(names: Iterable[str]) -> tuple[int, int]:
    """Return how many forward and how many backward passes statistics need.

    ``data`` and ``loss`` share a forward pass; ``perturbed``, a difference, needs the passes of ``data`` too.
    """
    forward, backward = set(), set()
    for statistic in (STATISTICS[name] for name in names):
        scenarios = {"perturbed", "data"} if statistic.scenario == "perturbed" else {statistic.scenario}
        forward |= {"data" if scenario in ("", "loss") else scenario for scenario in scenarios}
        backward |= scenarios if statistic.is_gradient else set()
    return len(forward), len(backward)


def cost(node: Node) -> float:
    """Estimate the time that a program takes on a network, in forward passes.

    A backward pass counts as two. Each distinct primitive on tensors adds a price by its family and the size of what
    it reads, as measured on networks of NAS-Bench-201 on a CPU; the upper floors are free.
    """
    forward, backward = passes(statistics([node]))
    total = forward + _BACKWARD * backward
    for one in postorder([node]):
        if one.args and one.args[0].kind.floor is Floor.TENSOR:
            family = primitives.resolve(one.name, [arg.kind for arg in one.args])[0].family
            size = _SMALL if one.args[0].kind in (Kind.WEIGHT, Kind.SAMPLES) else 1.0
            total += size * _PRICES.get(family, _ELEMENTWISE)
    return total
