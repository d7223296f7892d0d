"""The evolution: islands that breed for an epoch each, then send their best programs to the next island.

An epoch of an island depends on its population and its random stream alone, so that islands run in any number of
processes with the same result. The number of epochs is what a time budget bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joblib import Parallel, delayed

from eznas.errors import EznasError
from eznas.symbolic.hall import Hall
from eznas.symbolic.island import Counts, Population, first_population, run_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.programs import Node
    from eznas.symbolic.island import Rules


ISLANDS = 4
"""Populations of a run, whatever the number of processes."""

EPOCH = 10
"""Generations between two migrations."""

_MIGRANTS = 0.05
"""Share of an island's programs that it sends to the next one."""


@dataclass
class Evolution:
    """The state of a run.

    Args:
        rules: Data and limits.
        islands: The population of each island.
        hall: The best program of each size so far.
        counts: The work so far.
        epochs: Epochs done.
        generation: Generations done.
    """

    rules: Rules
    islands: list[Population]
    hall: Hall
    counts: Counts = field(default_factory=Counts)
    epochs: int = 0
    generation: int = 0

    @classmethod
    def begin(cls, rules: Rules, programs: Sequence[Node]) -> Evolution:
        """Evaluate the first programs; every island begins with all of them.

        Raises:
            EznasError: None of them has a tau on every task.
        """
        population, hall = first_population(rules, programs)
        if not population.programs:
            raise EznasError("no column and no seed program ranks the training architectures of every task")
        return cls(rules, [population] * ISLANDS, hall)

    def best(self) -> tuple[str, float]:
        """Return the program of the highest fitness in any island, and that fitness."""
        fitness = self.rules.fitness.over_tasks
        tau, program = max((float(fitness(island.train[:1])[0]), island.programs[0]) for island in self.islands)
        return program, tau

    def step(self, parallel: Parallel, generations: int = EPOCH) -> None:
        """Run an epoch of every island, and let programs migrate."""
        done = parallel(
            delayed(run_epoch)(self.rules, number, self.epochs, island, generations)
            for number, island in enumerate(self.islands)
        )
        count = max(1, round(_MIGRANTS * self.rules.population))
        bred = [population for population, _, _ in done]
        self.islands = [
            Population.joined([island, bred[number - 1].first(count)]) for number, island in enumerate(bred)
        ]
        for _, hall, counts in done:
            self.hall.update(hall.members.values())
            self.counts.add(counts)
        self.epochs += 1
        self.generation += generations
