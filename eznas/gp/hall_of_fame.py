"""The hall of fame: the best program of each complexity, chosen with the validation networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from eznas.gp.individual import Individual, TauFitness
from eznas.programs import network_leaves, parse, reductions, simplify_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eznas.programs import Node


_ALIKE = 0.5
"""Least share of common reductions at which two programs are variations of each other."""

_NEAR = 0.05
"""Largest difference in worth to the best member at which a member is nearly as good."""


class HallOfFame:
    """The best individual of each complexity, by the smaller of its training and its validation tau.

    The training tau alone would reward overfitting; the validation tau alone would reward luck, since many programs are
    evaluated.
    """

    def __init__(self) -> None:
        self.members: dict[int, Individual] = {}

    @staticmethod
    def worth(individual: Individual) -> float:
        """Return the smaller of the two taus; minus infinity where one is missing."""
        taus = (individual.tau_train, individual.tau_validation)
        return min(taus) if all(map(math.isfinite, taus)) else -math.inf

    def update(self, individuals: Iterable[Individual]) -> None:
        """Replace each member by an individual of its complexity that is better."""
        for individual in individuals:
            size = individual.program.size
            rival = self.members.get(size)
            if self.worth(individual) > (self.worth(rival) if rival else -math.inf):
                self.members[size] = individual

    def candidates(self, count: int) -> list[Individual]:
        """Return at most ``count`` members to look at more closely: the best by worth, of different kinds.

        Of members that ``simplify_exact`` makes equal, the best by worth is returned.

        A member that reads mostly the same reductions as a better member comes after all other members that are nearly
        as good as the best.
        """
        distinct: dict[Node, Individual] = {}
        for member in sorted(self.members.values(), key=lambda member: (-self.worth(member), member.program.size)):
            distinct.setdefault(simplify_exact(member.program), member)
        ranked = list(distinct.values())
        chosen: list[Individual] = []
        for member in ranked:
            if self.worth(member) < self.worth(ranked[0]) - _NEAR:
                break
            if all(_likeness(member.program, other.program) < _ALIKE for other in chosen):
                chosen.append(member)
        chosen += [member for member in ranked if member not in chosen]
        return chosen[:count]

    def state(self) -> list[Any]:
        """Return the members, ready for JSON."""
        return [
            [member.program.text, member.tau_train, member.tau_validation, list(member.tasks)]
            for member in self.members.values()
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Take in the members that ``state`` returned; they have no fitness, which nothing reads here."""
        self.update(
            Individual(parse(text), train, held_out, tuple(tasks), b"", TauFitness())
            for text, train, held_out, tasks in state
        )


def _likeness(first: Node, second: Node) -> float:
    """Return the share of reductions and network leaves that two programs have in common: intersection over union."""
    reads = [{*reductions([program]), *network_leaves([program])} for program in (first, second)]
    return len(set.intersection(*reads)) / len(set.union(*reads))
