"""The architectures that a search may propose: a search space, or the part of it in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

    from eznas.spaces import SearchSpace


_TRIES = 20
_CACHED = 1 << 15
"""Architectures whose neighbours are cached; larger spaces are rarely revisited."""


class Domain:
    """The architectures that a search may propose.

    Args:
        space: The search space.
        known: The part of the space that may be proposed, such as the architectures of a table; None for all.
    """

    def __init__(self, space: SearchSpace, known: Collection[str] | None = None) -> None:
        self.space = space
        listed = space.architectures() if known is None else known
        self._listed = None if listed is None else tuple(dict.fromkeys(listed))
        self._known = None if known is None or self._listed is None else {name: name for name in self._listed}
        self._neighbours: dict[str, tuple[str, ...]] = {}

    @property
    def size(self) -> int | None:
        """Number of architectures; None if they cannot be listed."""
        return None if self._listed is None else len(self._listed)

    @property
    def listed(self) -> tuple[str, ...] | None:
        """The architectures in the order of the table or of the space; None if they cannot be listed."""
        return self._listed

    def __contains__(self, architecture: str) -> bool:
        return self._known is None or architecture in self._known

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return self.space.sample(rng) if self._listed is None else rng.choice(self._listed)

    def fresh(self, rng: random.Random, seen: Collection[str]) -> str | None:
        """Draw uniformly among the architectures outside ``seen``; None if none is left or none is found."""
        for _ in range(_TRIES):
            architecture = self.sample(rng)
            if architecture not in seen:
                return architecture
        left = [architecture for architecture in self._listed or () if architecture not in seen]
        return rng.choice(left) if left else None

    def neighbours(self, architecture: str) -> tuple[str, ...]:
        """Return all architectures one edit away, in the order of the space."""
        neighbours = self._neighbours.get(architecture)
        if neighbours is None:
            neighbours = tuple(self.space.neighbours(architecture))
            if self._known is not None:  # takes the strings of the domain, not their copies: the cache stays small
                neighbours = tuple(self._known[name] for name in neighbours if name in self._known)
            if len(self._neighbours) < _CACHED:
                self._neighbours[architecture] = neighbours
        return neighbours

    def mutate(self, architecture: str, rng: random.Random) -> str:
        """Draw an architecture one edit away; any architecture if there is no such neighbour."""
        if self._known is None:
            return self.space.mutate(architecture, rng)
        neighbours = self.neighbours(architecture)
        return rng.choice(neighbours) if neighbours else self.sample(rng)
