"""The evolution: islands that breed for an epoch each, then send their best programs to the next island.

An epoch of an island depends on its population and its random stream alone, so that islands run in any number of
processes with the same result. The number of epochs is what a time budget bounds.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eznas.errors import EznasError
from eznas.programs import parse
from eznas.symbolic.hall import Hall
from eznas.symbolic.island import run_epoch
from eznas.symbolic.population import Counts, Population, evaluate_programs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.programs import Node
    from eznas.scoring import Executor
    from eznas.symbolic.population import Rules


ISLANDS = 4
"""Populations of a run, whatever the number of processes."""

EPOCH = 5
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
        population, hall = evaluate_programs(rules, programs)
        if not population.programs:
            raise EznasError("no column and no seed program ranks the training architectures of every task")
        return cls(rules, [population] * ISLANDS, hall)

    @classmethod
    def restored(cls, rules: Rules, state: Mapping[str, Any]) -> Evolution:
        """Restore from the result of ``state``; populations are evaluated anew."""
        islands = [evaluate_programs(rules, [parse(text) for text in programs])[0] for programs in state["islands"]]
        counts = Counts(**{**state["counts"], "statuses": Counter(state["counts"]["statuses"])})
        return cls(rules, islands, Hall.restored(state["hall"]), counts, state["epochs"], state["generation"])

    def state(self) -> dict[str, Any]:
        """Return all that ``restored`` needs, ready for JSON."""
        return {
            "epochs": self.epochs,
            "generation": self.generation,
            "islands": [list(island.programs) for island in self.islands],
            "hall": self.hall.state(),
            "counts": {**vars(self.counts), "statuses": dict(self.counts.statuses)},
        }

    def best(self) -> float:
        """Return the highest fitness of a living program."""
        return max(float(self.rules.fitness.over_tasks(island.train).max()) for island in self.islands)

    def step(self, executor: Executor, generations: int = EPOCH) -> None:
        """Run an epoch of every island, and let programs migrate."""
        epoch = functools.partial(_epoch, self.rules, self.islands, self.epochs, generations)
        done = dict(executor.map(epoch, range(len(self.islands))))  # in any order
        bred = [done[number][0] for number in range(len(done))]
        count = max(1, round(_MIGRANTS * self.rules.population))
        self.islands = [
            Population.joined([island, bred[number - 1].first(count)]) for number, island in enumerate(bred)
        ]
        for number in range(len(done)):
            _, hall, counts = done[number]
            self.hall.update(hall.members.values())
            self.counts.add(counts)
        self.epochs += 1
        self.generation += generations


def _epoch(
    rules: Rules, islands: Sequence[Population], epoch: int, generations: int, number: int
) -> tuple[Population, Hall, Counts]:
    return run_epoch(rules, number, epoch, islands[number], generations)
