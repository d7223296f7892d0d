"""The fitness cases of a run, put together from its problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.gp.fitness import FitnessCase, FitnessEvaluator, TaskFitness
from eznas.gp.loop import Evolution
from eznas.gp.trivial import trivial_taus
from eznas.scoring import Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eznas.config import EvolveConfig
    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Condition, Executor
    from eznas.scoring.vector_store import VectorStore

_SCREENED = 20
"""Training networks of each task that reductions are screened on; runs with less than twice as many screen none."""


def build_evolution(
    config: EvolveConfig, problem: EvolutionProblem, store: VectorStore, executor: Executor, progress: Progress
) -> Evolution:
    """Return an evolution at its beginning, whose fitness cases hold the problem's networks."""
    panels: dict[tuple[str, tuple[str, ...]], Panel] = {}

    def case(place: int, condition: Condition, train: tuple[str, ...], validation: tuple[str, ...]) -> FitnessCase:
        """Return a task's case; tasks with the same networks under the same condition share a panel."""
        networks, task = (*train, *validation), problem.tasks[place]
        panel = panels.setdefault((condition.key, networks), Panel(condition, networks, store, executor))
        return FitnessCase(panel, task.accuracies(train), task.accuracies(validation), place)

    def breeding(networks: int | None = None) -> Iterator[FitnessCase]:
        for place, task in enumerate(problem.tasks):
            validation = task.validation if networks is None else ()
            yield from [case(place, condition, task.train[:networks], validation) for condition in task.breeding]

    trivial = trivial_taus(problem, executor, progress) if config.relative else [(0.0, 0.0)] * len(problem.tasks)
    tasks = [TaskFitness(task.weight, taus) for task, taus in zip(problem.tasks, trivial, strict=True)]
    evaluator = FitnessEvaluator(breeding(), tasks, config.fitness)
    promotion = [
        case(place, task.full, task.promoted, task.validation)
        for place, task in enumerate(problem.tasks)
        if task.promoted
    ]
    screening = None
    if config.draws > 1 and min(len(task.train) for task in problem.tasks) >= 2 * _SCREENED:
        screening = FitnessEvaluator(breeding(_SCREENED), tasks, config.fitness)
    return Evolution(config, evaluator, promotion, screening, progress)
