"""The problem of an evolution: its tasks, with their networks drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.benchmarks import sample_splits
from eznas.errors import InputError
from eznas.gp.task import EvolutionTask
from eznas.scoring import Problem
from eznas.scoring.plugin import plugin_digests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

    from eznas.config import EvolveConfig
    from eznas.tasks import TaskConfig

Parts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class EvolutionProblem:
    """The tasks of a run.

    Args:
        tasks: Tasks of selection.
        held_out: Tasks that programs are tested on only.
    """

    tasks: tuple[EvolutionTask, ...]
    held_out: tuple[EvolutionTask, ...]

    @classmethod
    def of(cls, config: EvolveConfig) -> Self:
        """Load the data that a configuration names, and draw the networks.

        Raises:
            InputError: A name is unknown, a task is given twice, or the data cannot be used.
        """
        options = [*config.tasks(), *config.held_out_tasks()]
        names = [task.name for task in options]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(
                f"task and hold_out_task must name each task once, got {min(twice)} twice",
                parameters=("task", "hold_out_task"),
            )
        problems = [_load(task, config) for task in options]
        labels = [(problem.accuracy_table.digest, str(problem.accuracy_table.target)) for problem in problems]
        for place, label in enumerate(labels):
            if label in labels[:place]:
                raise InputError(
                    f"each task must have labels of its own, got those of {names[labels.index(label)]} for "
                    f"{names[place]} too",
                    parameters=("task", "hold_out_task"),
                )
        count = len(config.tasks())
        sizes = [_sizes(task, held_out=place >= count) for place, task in enumerate(options)]
        parts = _draw(problems, sizes, config.seed)
        tasks = [EvolutionTask.of(*each) for each in zip(options, problems, parts, strict=True)]
        return cls(tuple(tasks[:count]), tuple(tasks[count:]))

    @property
    def every_task(self) -> tuple[EvolutionTask, ...]:
        """The tasks of selection, then those held out."""
        return self.tasks + self.held_out

    @property
    def device(self) -> str:
        """The device that networks run on."""
        return self.tasks[0].problem.device

    def first(self, count: int) -> EvolutionProblem:
        """Return the problem of the first ``count`` of ``every_task``."""
        return EvolutionProblem(self.tasks[:count], self.held_out[: max(count - len(self.tasks), 0)])

    def with_tests(self, counts: Mapping[str, int]) -> EvolutionProblem:
        """Return the problem with fewer test networks: the first ones of each task, as many as ``counts`` says."""
        cut = {task.name: task.cut(test=task.test[: counts[task.name]]) for task in self.every_task}
        tasks, held_out = (tuple(cut[task.name] for task in part) for part in (self.tasks, self.held_out))
        return EvolutionProblem(tasks, held_out)

    def facts(self) -> dict[str, Any]:
        """Return the description of the data and the device for the manifest."""
        plugins = {f"plugin {path}": {"source": path, "sha256": digest} for path, digest in plugin_digests().items()}
        data: dict[str, Any] = {}
        for task in self.every_task:
            data |= task.data()
        return {
            "device": self.device,
            "target": "; ".join(str(task.problem.accuracy_table.target) for task in self.tasks),
            "reported_on": "; ".join(dict.fromkeys(str(task.full) for task in self.tasks)),
            "tasks": [task.facts() for task in self.every_task],
            "data": {**data, **plugins},
        }

    def __str__(self) -> str:
        if len(self.every_task) == 1:
            return str(self.tasks[0])
        held_out = f", tested on {', '.join(task.name for task in self.held_out)} too" if self.held_out else ""
        return f"{len(self.tasks)} tasks ({', '.join(task.name for task in self.tasks)}){held_out}"


def _load(task: TaskConfig, config: EvolveConfig) -> Problem:
    return Problem.load(
        task.benchmark,
        task.dataset,
        task.table,
        task.target,
        images=task.images,
        batch_size=task.batch_size,
        seed=config.seed,
        device=config.device,
    )


def _sizes(task: TaskConfig, *, held_out: bool) -> tuple[int, int, int]:
    train, validation, test = task.networks or 0, task.validation_networks or 0, task.test_networks or 0
    return (0, 0, test) if held_out else (train, validation, test)


def _draw(problems: Sequence[Problem], sizes: Sequence[tuple[int, int, int]], seed: int) -> list[Parts]:
    """Draw the networks of every task.

    Tasks on one space have the same networks, as many as each needs: they share the values of formulas, and no network
    that one task trains on tests another task.
    """
    drawn: dict[str, Parts] = {}
    for name in {problem.space.name: None for problem in problems}:
        places = [place for place, problem in enumerate(problems) if problem.space.name == name]
        tables = [problems[place].accuracy_table.architectures for place in places]
        common = set(tables[0]).intersection(*tables[1:])
        most = [max(sizes[place][part] for place in places) for part in range(3)]
        listed = [architecture for architecture in tables[0] if architecture in common]
        drawn[name] = sample_splits(listed, (most[0], most[1], most[2]), seed, problems[places[0]].space)
    return [
        tuple(part[:size] for part, size in zip(drawn[problem.space.name], counts, strict=True))  # type: ignore[misc]
        for problem, counts in zip(problems, sizes, strict=True)
    ]
