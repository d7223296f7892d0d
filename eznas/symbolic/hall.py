"""The best program of each size, by the smaller of its fitness on the training and the validation architectures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True)
class Member:
    """A program of the hall of fame.

    Args:
        program: Its text.
        size: Its number of nodes.
        train: Its fitness on the training architectures, without parsimony.
        validation: The same on the validation architectures; NaN where a score is missing.
    """

    program: str
    size: int
    train: float
    validation: float

    @property
    def worth(self) -> float:
        """The smaller of the two: the first alone rewards overfitting, the second alone rewards luck."""
        worth = min(self.train, self.validation)
        return worth if math.isfinite(self.train + self.validation) else -math.inf


class Hall:
    """The members by size."""

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.members: dict[int, Member] = {}
        self.update(members)

    def update(self, members: Iterable[Member]) -> None:
        """Replace each member by a program of its size that is better; of equals, by the first by text."""
        for member in members:
            rival = self.members.get(member.size)
            if rival is None or (-member.worth, member.program) < (-rival.worth, rival.program):
                self.members[member.size] = member

    def worth(self, size: int) -> float:
        """Return the worth of the member of a size; minus infinity where there is none."""
        return self.members[size].worth if size in self.members else -math.inf

    def candidates(self, count: int) -> list[Member]:
        """Return at most ``count`` members, the best by worth first.

        A member is skipped if a smaller one is at least as good.
        """
        useful: list[Member] = []
        for member in sorted(self.members.values(), key=lambda member: member.size):
            if not useful or member.worth > useful[-1].worth:
                useful.append(member)
        return sorted(useful, key=lambda member: (-member.worth, member.size))[:count]

    def state(self) -> list[Any]:
        """Return the members, ready for JSON."""
        return [[member.program, member.size, member.train, member.validation] for member in self.members.values()]

    @classmethod
    def restored(cls, state: Sequence[Any]) -> Hall:
        """Restore from the result of ``state``."""
        return cls(Member(*fields) for fields in state)
