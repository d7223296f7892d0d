"""The results of a finished evolution as its run directory holds them."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.report.html import signed, signed_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.run import RunDirectory


Record = dict[str, Any]

_MOST_BASELINES = 20
"""The most baselines of a table or plot; the columns of a file of scores can be hundreds."""


@dataclass(frozen=True)
class TaskResults:
    """One task of a run.

    Args:
        name: The task.
        facts: Its entry in ``summary.json``.
        architectures: The ``n`` test architectures.
        accuracies: ``n`` accuracies.
        scores: ``n`` scores of the best program (``"best"``) and of each baseline, NaN where there is none.
    """

    name: str
    facts: Mapping[str, Any]
    architectures: tuple[str, ...]
    accuracies: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]

    @property
    def held_out(self) -> bool:
        """Whether selection never saw the task."""
        return bool(self.facts.get("held_out"))

    @property
    def target(self) -> str:
        """Description of the accuracy."""
        return str(self.facts["target"])


@dataclass(frozen=True)
class RunResults:
    """A finished evolution.

    Args:
        name: The name of the run directory.
        summary: The content of ``summary.json``.
        tasks: The tasks, in the order of the summary.
        logbook: The rows of ``logbook.csv``, without any if evolution had no generation.
        genealogy: The births of the best program and its ancestors, by text; empty if there are none.
    """

    name: str
    summary: Mapping[str, Any]
    tasks: tuple[TaskResults, ...]
    logbook: Sequence[Mapping[str, str]]
    genealogy: Mapping[str, Record]

    @classmethod
    def read(cls, directory: RunDirectory) -> RunResults:
        """Read a run directory.

        Raises:
            InputError: A file is missing or holds something else; the run must be finished.
        """
        summary = directory.read_json("summary.json")
        rows = directory.read_csv("test_scores.csv")
        genealogy: Mapping[str, Record] = {}
        if (directory.path / "genealogy.json").is_file():
            genealogy = directory.read_json("genealogy.json")["programs"]
        return cls(
            name=directory.path.resolve().name,
            summary=summary,
            tasks=tuple(_task(facts, rows) for facts in summary["tasks"]),
            logbook=directory.read_csv("logbook.csv"),
            genealogy=genealogy,
        )

    @property
    def best(self) -> Record:
        """The record of the best program."""
        return dict(self.summary["best"])

    @property
    def rows(self) -> list[Record]:
        """The records of the programs, the best first, and of the baselines that are shown."""
        return [*self.summary["hall_of_fame"], *shown_baselines(self.summary).values()]

    @property
    def compared(self) -> dict[str, Record]:
        """The records of the best program and the baselines that are shown, by the names of their scores."""
        return {"best": self.best, **shown_baselines(self.summary)}

    @property
    def verdict(self) -> Mapping[str, Any]:
        """The comparison of the best program with the baselines; see ``eznas.gp.verdict``."""
        return self.summary["verdict"]  # type: ignore[no-any-return]

    @property
    def fitness(self) -> str:
        """The name of the tau of a program on the run: that of its task, or how tasks are combined."""
        return "tau" if len(self.tasks) == 1 else f"{self.summary.get('fitness', 'combined')} tau"


def shown_baselines(summary: Mapping[str, Any]) -> dict[str, Record]:
    """Return the records of the baselines that tables and plots show, by name.

    Of many baselines, these are the ones that decide a verdict, and the best others.

    Args:
        summary: The content of ``summary.json``.
    """
    baselines: dict[str, Record] = summary["baselines"]
    if len(baselines) <= _MOST_BASELINES:
        return baselines
    deciding = {task["baseline"] for task in summary["verdict"]["tasks"]}
    taus = {name: -math.inf if row["tau_test"] is None else row["tau_test"] for name, row in baselines.items()}
    ranked = sorted(baselines, key=lambda name: (name not in deciding, -taus[name]))[:_MOST_BASELINES]
    return {name: baselines[name] for name in sorted(ranked, key=lambda name: -taus[name])}


def baselines_note(summary: Mapping[str, Any]) -> str:
    """Return a sentence on which baselines are shown; empty if all are."""
    count = len(summary["baselines"])
    if count <= _MOST_BASELINES:
        return ""
    return (
        f"{_MOST_BASELINES} of {count} baselines are shown: those that decide a verdict, and the others with the "
        "highest tau. summary.json has all."
    )


def figure_of(record: Mapping[str, Any], task: str, name: str) -> Any:
    """Return a figure of a proxy on a task; None where there is none."""
    return record.get("tasks", {}).get(task, {}).get(name)


def verdict_lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return a verdict and its notes as sentences, the verdict first."""
    lines = [f"The best program is {verdict['sentence']}."]
    if verdict["held_out"]:
        held_out = [record["name"] for record in verdict["tasks"] if record["held_out"]]
        where = f"{held_out[0]}, which was held out" if len(held_out) == 1 else f"the {len(held_out)} tasks held out"
        lines.append(f"On {where}: {verdict['held_out']['sentence']}.")
    for record in verdict["tasks"] if len(verdict["tasks"]) == 1 else ():
        if record["baseline"] is not None:
            interval = signed_interval(record["low"], record["high"])
            lines.append(
                f"Difference in tau to {record['baseline']}: {signed(record['difference'])}, 95 % interval {interval}, "
                f"on {record['n']} networks."
            )
    return [*lines, *verdict["notes"]]


def numbers(row: Mapping[str, str]) -> Record:
    """Return a row of a CSV file with its numbers as numbers, and None for nothing."""
    return {name: _number(cell) for name, cell in row.items()}


def _task(facts: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> TaskResults:
    own = [row for row in rows if row["task"] == facts["name"]]
    names = [name for name in rows[0] if name not in ("task", "architecture", "accuracy")] if rows else []
    return TaskResults(
        name=facts["name"],
        facts=facts,
        architectures=tuple(row["architecture"] for row in own),
        accuracies=column_of(own, "accuracy"),
        scores={name: column_of(own, name) for name in names},
    )


def column_of(rows: Sequence[Mapping[str, str]], name: str) -> NDArray[np.float64]:
    """Return the numbers of a column of a CSV file, NaN where it is empty."""
    return np.array([float(row[name]) if row[name] else np.nan for row in rows], dtype=np.float64)


def _number(cell: str) -> float | int | str | None:
    with contextlib.suppress(ValueError):
        return int(cell)
    with contextlib.suppress(ValueError):
        return float(cell)
    return cell or None
