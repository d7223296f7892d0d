"""Captures that are kept in memory, for networks that run again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture import Capture, ShapeGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Captures:
    """A cache of statistics by network.

    The first captures stay, and captures that do not fit are not kept: networks run in turns, so the least recently
    used capture is the one that is needed next.

    Args:
        limit: Most bytes.

    Attributes:
        bytes: Bytes in use.
    """

    def __init__(self, limit: int) -> None:
        self.bytes = 0
        self._limit = limit
        self._held: dict[str, Capture] = {}

    def find(self, network: str, names: Collection[str]) -> Capture | None:
        """Return the capture of a network if it holds all of these statistics."""
        held = self._held.get(network)
        return held if held is not None and held.names.issuperset(names) else None

    def complete(self, network: str, names: Collection[str], make: Callable[[list[str]], Capture]) -> Capture:
        """Return a capture that holds these statistics, capturing the missing ones.

        Args:
            network: Names the network and everything that its statistics depend on.
            names: The statistics.
            make: Captures statistics.
        """
        held = self._held.get(network)
        missing = [name for name in names if held is None or name not in held.names]
        if held is not None and not missing:
            return held
        new = make(missing)
        whole = new if held is None else _merged(held, new)
        if self.bytes + new.nbytes <= self._limit:
            self.bytes += new.nbytes
            self._held[network] = whole
        return whole


def _merged(first: Capture, second: Capture) -> Capture:
    """Return the statistics of two captures of one network."""
    groups = tuple(
        ShapeGroup(group.units, {**group.tensors, **more.tensors})
        for group, more in zip(first.groups, second.groups, strict=True)
    )
    return Capture(first.units, first.skipped, groups, {**first.images, **second.images})
