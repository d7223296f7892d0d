"""The fitness cases of a run, put together from its problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.gp.fitness import FitnessCase, FitnessEvaluator, TaskFitness
from eznas.gp.grammar import TERMINAL_MEASURES
from eznas.gp.library import SCREENED
from eznas.gp.loop import Evolution
from eznas.scoring import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Condition, Executor
    from eznas.scoring.vector_store import VectorStore

_LEAST_USABLE = 5
"""Networks of a panel that must not be left out."""


def leaf_names(config: EvolveConfig, problem: EvolutionProblem) -> list[str]:
    """Return the leaves of the network floor that programs may read.

    ``graf`` among the terminal measures stands for all features that the architectures of every task have.
    """
    if config.terminals == "statistics":
        return []
    names: list[str] = []
    for name in config.terminal_measures or TERMINAL_MEASURES:
        if name == "graf":
            features = [task.problem.space.features(task.test[0]) for task in problem.every_task]
            names += [f"graf.{feature}" for feature in features[0] if all(feature in other for other in features)]
        else:
            names.append(name if "." in name else f"measure.{name}")
    return list(dict.fromkeys(names))


def mixed(train: Sequence[str], validation: Sequence[str]) -> tuple[str, ...]:
    """Return training and validation networks in turn, so that every beginning has both in their proportion."""
    places = [(place + 0.5) / len(part) for part in (train, validation) for place in range(len(part))]
    networks = [*train, *validation]
    return tuple(networks[index] for index in sorted(range(len(networks)), key=lambda index: places[index]))


def build_evolution(
    config: EvolveConfig,
    problem: EvolutionProblem,
    store: VectorStore,
    executor: Executor,
    progress: Progress,
    *,
    screens: bool,
    trivial: Sequence[tuple[float, float]],
) -> Evolution:
    """Return an evolution at its beginning, whose fitness cases hold the problem's networks.

    Args:
        config: The options.
        problem: The tasks.
        store: Keeps the values of reductions on networks.
        executor: Runs the networks.
        progress: Shows stages and messages.
        screens: Whether reductions are screened on few networks before the best visit all.
        trivial: For each task the taus of ``TaskFitness.trivial``.
    """
    panels: dict[tuple[str, tuple[str, ...]], Panel] = {}

    def case(place: int, condition: Condition, train: tuple[str, ...], validation: tuple[str, ...]) -> FitnessCase:
        """Return a task's case; tasks with the same networks under the same condition share a panel."""
        networks, task = mixed(train, validation), problem.tasks[place]
        panel = panels.setdefault(
            (condition.key, networks), Panel(condition, networks, store, executor, least_usable=_LEAST_USABLE)
        )
        training = set(train)
        flags = np.array([network in training for network in networks])
        return FitnessCase(panel, task.accuracies(networks), flags, place)

    def breeding(networks: int | None = None) -> Iterator[FitnessCase]:
        for place, task in enumerate(problem.tasks):
            validation = task.validation if networks is None else ()
            yield from [case(place, condition, task.train[:networks], validation) for condition in task.breeding]

    tasks = [TaskFitness(task.weight, taus) for task, taus in zip(problem.tasks, trivial, strict=True)]
    evaluator = FitnessEvaluator(breeding(), tasks, config.fitness)
    promotion = [
        case(place, task.full, task.promoted, task.validation)
        for place, task in enumerate(problem.tasks)
        if task.promoted
    ]
    screening = FitnessEvaluator(breeding(SCREENED), tasks, config.fitness) if screens else None
    leaves = leaf_names(config, problem)
    return Evolution(config, evaluator, leaves, promotion, screening, progress)
