"""Tables of scores and accuracies, a task each, and the architectures that all columns have scores of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray


_NO_SCORE = re.compile(r"id|index|.*accuracy|(train|val|validation|test)_.*")
"""Names of columns that are no scores unless they are chosen: numbers of architectures, and results of training."""


@dataclass(frozen=True)
class TaskScores:
    """The accuracies and scores of one task's architectures.

    Args:
        name: The task's name.
        architectures: ``n`` names without repetitions.
        accuracies: ``n`` accuracies, all finite.
        scores: For each column, ``n`` scores; NaN where one is missing. A task may lack columns.
        left_out: Architectures of the file that are left out, with the reason.
    """

    name: str
    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def matrix(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Return ``k x n`` scores of some columns."""
        return np.stack([self.scores[column] for column in columns])

    def without_missing(self, columns: Sequence[str]) -> TaskScores:
        """Leave out the architectures that lack a score of one of the columns."""
        finite = np.isfinite(self.matrix(columns))
        kept = finite.all(axis=0)
        reasons = {
            self.architectures[index]: f"no {', '.join(np.array(columns)[~finite[:, index]])}"
            for index in np.flatnonzero(~kept)
        }
        return TaskScores(
            self.name,
            tuple(self.architectures[index] for index in np.flatnonzero(kept)),
            self.accuracies[kept],
            {column: values[kept] for column, values in self.scores.items()},
            {**self.left_out, **reasons},
        )


@dataclass(frozen=True)
class ScoreTable:
    """Tasks whose architectures all have a finite score of each column.

    Args:
        columns: The columns that programs read.
        tasks: The tasks; their ``scores`` may have further columns.
        dropped: Columns that programs do not read, with the reason.
        sources: SHA-256 of each file by its path.
    """

    columns: tuple[str, ...]
    tasks: tuple[TaskScores, ...]
    dropped: Mapping[str, str]
    sources: Mapping[str, str]


def joined(
    tasks: Sequence[TaskScores], sources: Mapping[str, str], chosen: Sequence[str], max_missing: float
) -> ScoreTable:
    """Choose the columns that programs read, and leave out the architectures without a score of one.

    Args:
        tasks: The tasks of all files.
        sources: SHA-256 of each file by its path.
        chosen: Columns to read; empty for all. Each task must have them.
        max_missing: Largest share of missing scores in a task at which a column is read.

    Raises:
        InputError: A chosen column or every column is missing, names repeat, or a task has too few architectures.
    """
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"tasks must have different names, got {twice} several times")
    every = list(dict.fromkeys(column for task in tasks for column in task.scores))
    for column in chosen:
        if column not in every:
            raise InputError(str(unknown("column", column, every)), parameters=("columns",))
    no_scores = [column for column in every if column not in chosen and _NO_SCORE.fullmatch(column)]
    tasks = [
        replace(task, scores={name: values for name, values in task.scores.items() if name not in no_scores})
        for task in tasks
    ]
    dropped = dict.fromkeys(no_scores, "is not named like a score; choose it with columns to read it")
    every = [column for column in every if column not in dropped]
    dropped |= {column: reason for column in every if (reason := _unusable(tasks, column, max_missing))}
    if chosen:
        for column in chosen:
            if column in dropped:
                raise InputError(f"columns must be usable, but {column} {dropped[column]}", parameters=("columns",))
        dropped |= {column: "is not among the chosen columns" for column in every if column not in chosen}
    columns = tuple(column for column in every if column not in dropped)
    if not columns:
        unusable = "; ".join(f"{column} {reason}" for column, reason in dropped.items())
        raise InputError(
            f"the score files must have a column of scores in every task; {unusable or 'they have no other columns'}"
        )
    return ScoreTable(columns, tuple(task.without_missing(columns) for task in tasks), dropped, sources)


def _unusable(tasks: Sequence[TaskScores], column: str, max_missing: float) -> str:
    """Return why a column cannot be read; empty where it can."""
    without = [task.name for task in tasks if column not in task.scores]
    if without:
        return f"is missing in {some(without)}"
    for task in tasks:
        missing = int((~np.isfinite(task.scores[column])).sum())
        if missing > max_missing * len(task.architectures):
            return f"has no score of {missing} of {len(task.architectures)} architectures in {task.name}"
    return ""


def some(names: Collection[str]) -> str:
    """Return at most three names, and how many others there are."""
    first, more = list(names)[:3], len(names) - 3
    return ", ".join(first) + (f" and {more} other{'s' * (more > 1)}" if more > 0 else "")
