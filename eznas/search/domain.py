"""What a search may propose: a search space, or the part of it that a table knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

    from eznas.spaces import SearchSpace

__all__ = ["Domain"]

_TRIES = 20
_CACHED = 1 << 15
"""Architectures whose neighbours are kept; a space that is larger is not walked over again and again."""


class Domain:
    """The architectures that a search may propose.

    Args:
        space: The search space.
        known: The only ones that may be proposed, such as those of a table; None for all of the space.
    """

    def __init__(self, space: SearchSpace, known: Collection[str] | None = None) -> None:
        self.space = space
        listed = space.architectures() if known is None else known
        self._listed = None if listed is None else tuple(dict.fromkeys(listed))
        self._known = None if known is None or self._listed is None else {one: one for one in self._listed}
        self._neighbours: dict[str, tuple[str, ...]] = {}

    @property
    def size(self) -> int | None:
        """How many architectures there are; None where they cannot be listed."""
        return None if self._listed is None else len(self._listed)

    def __contains__(self, architecture: str) -> bool:
        return self._known is None or architecture in self._known

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return self.space.sample(rng) if self._listed is None else rng.choice(self._listed)

    def fresh(self, rng: random.Random, seen: Collection[str]) -> str | None:
        """Draw uniformly among those that are not in ``seen``; None where none is left, or none can be found."""
        for _ in range(_TRIES):
            architecture = self.sample(rng)
            if architecture not in seen:
                return architecture
        left = [one for one in self._listed or () if one not in seen]
        return rng.choice(left) if left else None

    def neighbours(self, architecture: str) -> tuple[str, ...]:
        """Return all that are one edit away, in the space's order."""
        found = self._neighbours.get(architecture)
        if found is None:
            others = self.space.neighbours(architecture)
            # The strings that the domain holds already, not copies of them, so that the cache stays small.
            known = self._known
            found = tuple(others) if known is None else tuple(known[one] for one in others if one in known)
            if len(self._neighbours) < _CACHED:
                self._neighbours[architecture] = found
        return found

    def mutate(self, architecture: str, rng: random.Random) -> str:
        """Draw one that is one edit away; any architecture where there is none."""
        if self._known is None:
            return self.space.mutate(architecture, rng)
        near = self.neighbours(architecture)
        return rng.choice(near) if near else self.sample(rng)
