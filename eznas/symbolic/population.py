"""The rules and results of islands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from eznas.symbolic.graph import Graph
from eznas.symbolic.hall import Hall, Member
from eznas.symbolic.operators import Language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.symbolic.evaluation import Evaluation
    from eznas.symbolic.fitness import Fitness


@dataclass(frozen=True)
class Rules:
    """What an island needs to know beside its programs.

    Args:
        columns: The columns of scores.
        evaluation: The data.
        fitness: The fitness over tasks.
        seed: The run's seed.
        population: Programs that an island keeps.
        offspring: Children in a generation.
        tournament: Programs that compete to become a parent.
        parsimony: Fitness subtracted for each node.
        max_size: Most nodes of a program.
    """

    columns: tuple[str, ...]
    evaluation: Evaluation
    fitness: Fitness
    seed: int
    population: int
    offspring: int
    tournament: int
    parsimony: float
    max_size: int


@dataclass(frozen=True)
class Population:
    """Programs with their figures on all architectures.

    Args:
        programs: ``p`` texts, the fittest first.
        train: ``p x t`` taus on the training architectures.
        keys: The order of all training architectures by each program.
    """

    programs: tuple[str, ...]
    train: NDArray[np.float64]
    keys: tuple[bytes, ...]

    @classmethod
    def joined(cls, populations: Sequence[Population]) -> Population:
        """Return the programs of several populations."""
        return cls(
            tuple(program for population in populations for program in population.programs),
            np.concatenate([population.train for population in populations]),
            tuple(key for population in populations for key in population.keys),
        )

    def first(self, count: int) -> Population:
        """Return the fittest programs."""
        return Population(self.programs[:count], self.train[:count], self.keys[:count])


@dataclass
class Counts:
    """The work of an island.

    Args:
        raced: Children whose tau was computed on the racing architectures.
        evaluated: Programs that were evaluated on all architectures.
        statuses: Children by status.
        squared_errors: Sum of the squared differences of fitness between racing and all training architectures.
    """

    raced: int = 0
    evaluated: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    squared_errors: float = 0.0

    def add(self, other: Counts) -> None:
        """Add the work of another island."""
        self.raced += other.raced
        self.evaluated += other.evaluated
        self.statuses += other.statuses
        self.squared_errors += other.squared_errors


def evaluate_programs(rules: Rules, programs: Sequence[Node]) -> tuple[Population, Hall]:
    """Evaluate programs on all training and validation architectures; those without a fitness are left out."""
    graph = Graph(Language(rules.columns, programs), np.empty((len(rules.columns), 0)))
    nodes = graph.add_trees(programs)
    taus, keys = rules.evaluation.training(graph, nodes)
    over_tasks = rules.fitness.over_tasks
    figures = zip(programs, over_tasks(taus), over_tasks(rules.evaluation.validation(graph, nodes)), strict=True)
    hall = Hall([Member(node.text, node.size, float(train), float(validation)) for node, train, validation in figures])
    ranked = np.flatnonzero(np.isfinite(over_tasks(taus))).tolist()
    texts = tuple(programs[index].text for index in ranked)
    return Population(texts, taus[ranked], tuple(keys[index] for index in ranked)), hall
