"""The problem of a run over score files: its columns, its tasks and their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError, unknown
from eznas.gp.trivial import TRIVIAL
from eznas.programs import parse
from eznas.scoring.plugin import plugin_digests
from eznas.symbolic.config import parse_split
from eznas.symbolic.evaluation import Evaluation
from eznas.symbolic.fitness import Fitness
from eznas.symbolic.operators import Language
from eznas.symbolic.population import Rules
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.split import split_tasks
from eznas.symbolic.table import some
from eznas.symbolic.task import SplitTask

if TYPE_CHECKING:
    from eznas.programs import Node
    from eznas.symbolic.config import ScoresConfig
    from eznas.symbolic.table import ScoreTable


@dataclass(frozen=True)
class ScoresProblem:
    """The data of a run.

    Args:
        target: The accuracy, in words.
        table: The columns and tasks.
        tasks: All tasks with their parts.
        fitness: The fitness over the tasks of selection.
        first: Programs to begin with: the columns, and the seed programs.
        trivial: Columns above whose taus the fitness counts; empty for taus themselves.
    """

    target: str
    table: ScoreTable
    tasks: tuple[SplitTask, ...]
    fitness: Fitness
    first: tuple[Node, ...]
    trivial: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: ScoresConfig) -> ScoresProblem:
        """Read the files that a configuration names, and split their tasks.

        Raises:
            InputError: A file or an option cannot be used.
        """
        table = read_score_tables(
            config.scores, target=config.target, columns=config.columns, max_missing=config.max_missing
        )
        tasks = _tasks(config, table)
        fitness = Fitness(config.fitness, tuple(test.weight for test in tasks if not test.held_out))
        files = ", ".join(path.name for path in config.scores)
        target = f"{config.target or 'accuracy'} of {files}"
        return cls(target, table, tuple(tasks), fitness, tuple(_first_programs(config, table)), _trivial(config, table))

    @property
    def selected(self) -> list[SplitTask]:
        """The tasks of selection."""
        return [test for test in self.tasks if not test.held_out]

    def rules(self, config: ScoresConfig, islands: int) -> Rules:
        """Return what each of some islands needs to know."""
        tasks, splits = [test.task for test in self.selected], [test.split for test in self.selected]
        return Rules(
            self.table.columns,
            Evaluation(self.table.columns, tasks, splits, self.trivial),
            self.fitness,
            config.seed,
            -(-config.population // islands),
            config.offspring,
            config.tournament,
            config.parsimony,
            config.max_size,
        )

    def notes(self) -> list[str]:
        """Return a sentence for each reason why columns are not read, and for each task with architectures left out."""
        columns: dict[str, list[str]] = {}
        for column, reason in self.table.dropped.items():
            columns.setdefault(reason, []).append(column)
        notes = [
            f"column {names[0]} is not read: it {reason}"
            if len(names) == 1
            else f"columns {some(names)} are not read: each {reason}"
            for reason, names in columns.items()
        ]
        for test in self.tasks:
            if count := len(test.task.left_out):
                noun = "architecture is" if count == 1 else "architectures are"
                notes.append(f"{test.task.name}: {count} {noun} left out, without an accuracy or a score of a column")
        return notes

    def facts(self) -> dict[str, Any]:
        """Return the description of the data and the plugins for the manifest."""
        plugins = {f"plugin {path}": {"source": path, "sha256": digest} for path, digest in plugin_digests().items()}
        files = {path: {"source": path, "sha256": digest} for path, digest in self.table.sources.items()}
        return {"data": {**files, **plugins}, "target": self.target}

    def __str__(self) -> str:
        selected = self.selected
        held = f", {len(self.tasks) - len(selected)} held out" if len(self.tasks) > len(selected) else ""
        train = sum(len(test.split.train) for test in selected)
        noun = "task" if len(selected) == 1 else "tasks"
        columns = f"{len(self.table.columns)} columns of scores"
        return f"{columns} on {len(selected)} {noun}{held}, {train} training architectures"


def _tasks(config: ScoresConfig, table: ScoreTable) -> list[SplitTask]:
    """Split the tasks.

    Raises:
        InputError: There is no task of a name, or none is left for selection.
    """
    names = [task.name for task in table.tasks]
    weights = config.task_weights()
    for parameter, given in (("hold_out_task", config.hold_out_task), ("weights", weights)):
        for name in given:
            if name not in names:
                raise InputError(str(unknown("task", name, names)), parameters=(parameter,))
    if set(names) <= set(config.hold_out_task):
        raise InputError(
            f"hold_out_task must leave a task to evolve on, the files have: {', '.join(names)}",
            parameters=("hold_out_task",),
        )
    splits = split_tasks(table.tasks, parse_split(config.split), config.seed, config.hold_out_task)
    return [
        SplitTask(task, split, task.name in config.hold_out_task, weights.get(task.name, 1.0))
        for task, split in zip(table.tasks, splits, strict=True)
    ]


def _trivial(config: ScoresConfig, table: ScoreTable) -> tuple[str, ...]:
    """Return the columns that taus are relative to.

    Raises:
        InputError: The fitness is relative, and no file has such a column.
    """
    if not config.relative:
        return ()
    found = tuple(name for name in TRIVIAL if name in table.columns)
    if not found:
        raise InputError(
            f"relative needs a column {' or '.join(TRIVIAL)} in every task of the score files; add one, or leave "
            "relative out",
            parameters=("relative",),
        )
    return found


def _first_programs(config: ScoresConfig, table: ScoreTable) -> list[Node]:
    """Return the columns and the seed programs.

    Raises:
        InputError: A text is not a program over the columns.
    """
    language = Language(table.columns)
    programs = list(language.leaves)
    for text in config.seed_program:
        try:
            program = parse(text)
            language.check(program)
        except InputError as error:
            raise InputError(
                f"seed_program must be a program over the columns of scores: {error}", parameters=("seed_program",)
            ) from error
        programs.append(program)
    return list(dict.fromkeys(programs))
