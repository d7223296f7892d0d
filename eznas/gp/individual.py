"""Individuals: programs with a DEAP fitness."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from deap import base

if TYPE_CHECKING:
    from eznas.programs import Node


class TauFitness(base.Fitness):  # type: ignore[misc]
    """One objective: the tau over the tasks, less the parsimony of each node."""

    weights = (1.0,)


class ParetoFitness(base.Fitness):  # type: ignore[misc]
    """Three objectives: the tau over the tasks (more is better), complexity and cost (less is better)."""

    weights = (1.0, -1.0, -1.0)


@cache
def tasks_fitness(count: int) -> type[base.Fitness]:
    """Return the class of a fitness with ``count`` objectives: the tau of each task."""
    return type("TasksFitness", (base.Fitness,), {"weights": (1.0,) * count})


@dataclass(eq=False)
class Individual:
    """One program of the population.

    Args:
        program: The tree.
        tau_train: Tau over the tasks on the training networks.
        tau_validation: The same on the validation networks; never used to breed.
        tasks: Tau on each task, training networks.
        key: Digest of the order in which it ranks the training networks; equal keys mean equal rankings.
        fitness: What selection sees.
    """

    program: Node
    tau_train: float
    tau_validation: float
    tasks: tuple[float, ...]
    key: bytes
    fitness: base.Fitness = field(repr=False)
