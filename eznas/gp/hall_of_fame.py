"""The hall of fame: the best program of each complexity, chosen with the validation networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.programs import reductions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eznas.gp.individual import Individual

__all__ = ["HallOfFame"]

_ALIKE = 0.5
"""From this share of common reductions on, two programs are variations of each other."""

_NEAR = 0.05
"""Members whose worth is less than the best's by more than this do not count as nearly as good."""


class HallOfFame:
    """The best individual of each complexity that holds on networks it was not bred on.

    An individual's worth here is the smaller of its training and its validation tau: the first alone rewards
    overfitting, the second alone rewards luck among the many that were looked at.
    """

    def __init__(self) -> None:
        self.members: dict[int, Individual] = {}

    @staticmethod
    def worth(individual: Individual) -> float:
        """Return the smaller of the two taus; minus infinity where one is missing."""
        taus = (individual.tau_train, individual.tau_validation)
        return min(taus) if all(map(math.isfinite, taus)) else -math.inf

    def update(self, individuals: Iterable[Individual]) -> None:
        """Take in what is better than the member of its complexity."""
        for individual in individuals:
            size = individual.program.size
            rival = self.members.get(size)
            if self.worth(individual) > (self.worth(rival) if rival else -math.inf):
                self.members[size] = individual

    def candidates(self, count: int) -> list[Individual]:
        """Return at most ``count`` members to look at more closely: the best by worth, of different kinds.

        A member that reads mostly the same reductions as a better one says little new, so it waits until all others
        that are nearly as good as the best have had their turn.
        """
        ranked = sorted(self.members.values(), key=lambda one: (-self.worth(one), one.program.size))
        chosen: list[Individual] = []
        for one in ranked:
            if self.worth(one) < self.worth(ranked[0]) - _NEAR:
                break
            if all(_likeness(one, other) < _ALIKE for other in chosen):
                chosen.append(one)
        chosen += [one for one in ranked if one not in chosen]
        return chosen[:count]


def _likeness(one: Individual, other: Individual) -> float:
    """Return the share of reductions that two programs have in common: intersection over union."""
    first, second = set(reductions([one.program])), set(reductions([other.program]))
    return len(first & second) / len(first | second)
