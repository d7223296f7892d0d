"""Captures that are kept in memory, for networks that are visited again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture import Capture, ShapeGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Captures"]


class Captures:
    """Statistics by network, within a number of bytes.

    What came first stays, and what does not fit is not kept: networks are visited in turns, where to drop what was not
    used for longest would be to drop what is needed next.

    Args:
        limit: Bytes.

    Attributes:
        bytes: What is held.
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
        """Return a capture that holds these statistics, making those that are not held.

        Args:
            network: Names the network and everything that its statistics depend on.
            names: The statistics.
            make: Captures statistics.
        """
        held = self._held.get(network)
        missing = [name for name in names if held is None or name not in held.names]
        if held is not None and not missing:
            return held
        made = make(missing)
        whole = made if held is None else _merged(held, made)
        if self.bytes + made.nbytes <= self._limit:
            self.bytes += made.nbytes
            self._held[network] = whole
        return whole


def _merged(first: Capture, second: Capture) -> Capture:
    """Return the statistics of two captures of one network."""
    groups = tuple(
        ShapeGroup(one.units, {**one.tensors, **two.tensors})
        for one, two in zip(first.groups, second.groups, strict=True)
    )
    return Capture(first.units, first.skipped, groups, {**first.images, **second.images})
