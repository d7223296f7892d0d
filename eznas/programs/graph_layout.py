"""A layered layout of a graph: each floor a band, every arrow upwards, boxes that do not overlap.

Layers, ordering by barycentres and dummy boxes on long arrows follow [Sugiyama]. Positions within a layer minimise
squared deviations under minimum distances, solved exactly by pooling adjacent violators.

References:
    [Sugiyama] Sugiyama, Tagawa, Toda. Methods for Visual Understanding of Hierarchical System Structures. IEEE
    Transactions on Systems, Man, and Cybernetics, 1981.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


_SWEEPS = 24


@dataclass(frozen=True)
class LayeredLayout:
    """Positions of boxes.

    Args:
        x: The centre of each box.
        layer: The layer of each box, from 0.
        routes: For each arrow ``(above, below)`` the positions ``(x, layer)`` on its way, its ends included.
    """

    x: tuple[float, ...]
    layer: tuple[int, ...]
    routes: dict[tuple[int, int], list[tuple[float, int]]]


def layered_layout(below: Sequence[Sequence[int]], bands: Sequence[int], widths: Sequence[float]) -> LayeredLayout:
    """Place the boxes of a directed acyclic graph.

    Args:
        below: For each box the boxes below it, all of which precede it.
        bands: For each box its band; boxes below it have the same band or a lower one.
        widths: For each box its width, including the free space beside it.
    """
    layer = _layers(below, bands)
    rows: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for box in reversed(range(len(below))):
        rows[layer[box]].append(box)
    space = list(widths)
    links: list[list[int]] = [[] for _ in below]
    chains = {}
    arrows = [(above, lower) for above, lowers in enumerate(below) for lower in dict.fromkeys(lowers)]
    for above, lower in arrows:
        chain = [above]
        for row in range(layer[above] - 1, layer[lower], -1):  # a dummy in every layer between
            chain.append(len(space))
            rows[row].append(len(space))
            space.append(min(widths) / 2)
            links.append([])
        chain.append(lower)
        for upper, under in itertools.pairwise(chain):
            links[upper].append(under)
            links[under].append(upper)
        chains[above, lower] = chain
    x = _sweep(rows, links, space)
    routes = {
        arrow: [(x[box], layer[arrow[0]] - step) for step, box in enumerate(chain)] for arrow, chain in chains.items()
    }
    return LayeredLayout(tuple(x[: len(below)]), tuple(layer), routes)


def _layers(below: Sequence[Sequence[int]], bands: Sequence[int]) -> list[int]:
    """Return each box's layer: above all boxes below it and above all layers of lower bands."""
    layer = [0] * len(below)
    floor = 0
    for band in sorted(set(bands)):
        members = [box for box in range(len(below)) if bands[box] == band]
        for box in members:
            layer[box] = max([floor, *[layer[lower] + 1 for lower in below[box]]])
        floor = 1 + max(layer[box] for box in members)
    return layer


def _sweep(rows: list[list[int]], links: Sequence[Sequence[int]], space: Sequence[float]) -> list[float]:
    """Order the rows and position the boxes, each near the mean of its neighbours, in alternating sweeps."""
    x = [0.0] * len(space)
    for row in rows:
        for box, place in zip(row, _spread([0.0] * len(row), [space[box] for box in row]), strict=True):
            x[box] = place
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 else reversed(rows):
            wish = {
                box: sum(x[other] for other in links[box]) / len(links[box]) if links[box] else x[box] for box in row
            }
            if sweep < _SWEEPS // 2:
                row.sort(key=wish.__getitem__)
            for box, place in zip(row, _spread([wish[box] for box in row], [space[box] for box in row]), strict=True):
                x[box] = place
    return x


def _spread(wishes: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wishes, in least squares, at which boxes in this order do not overlap."""
    offsets = [0.0]
    for left, right in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2)
    pools: list[tuple[float, int]] = []  # mean and number of members
    for wish, offset in zip(wishes, offsets, strict=False):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] >= mean:
            other, members = pools.pop()
            mean, count = (mean * count + other * members) / (count + members), count + members
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
