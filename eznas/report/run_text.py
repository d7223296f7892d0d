"""The final table and the verdict of an evolution for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.report.html import cell, interval, seconds
from eznas.report.run_results import figure_of, shown_baselines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Table = tuple[list[str], list[list[object]]]


_WIDTH = 100
"""The most characters of a line of a table."""
_PADDING = 3
"""Characters between two columns."""


def title(summary: Mapping[str, Any]) -> str:
    """Return the targets and the number of test networks of a run."""
    tasks = summary["tasks"]
    if len(tasks) == 1:
        [task] = tasks
        return f"{task['target']}\n{task['networks']['test']} test networks, {task['reported_on']}"
    return f"tau on {len(tasks)} tasks, {sum(task['networks']['test'] for task in tasks)} test networks"


def final_tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return the columns and rows of the final table: the programs, then the baselines that are shown.

    Many tasks take several tables, so that no line is longer than 100 characters.

    Args:
        summary: The content of ``summary.json``.
    """
    rows = [*summary["hall_of_fame"], *shown_baselines(summary).values()]
    tasks = summary["tasks"]
    columns: dict[str, list[object]] = {
        "nodes": [row["complexity"] or None for row in rows],
        "seconds": [seconds(row.get("seconds")) for row in rows],
    }
    if len(tasks) == 1:
        columns["tau"] = [row["tau_test"] for row in rows]
        columns["95 %"] = [interval(row["tau_test_low"], row["tau_test_high"]) for row in rows]
        columns["rho"] = [row["rho_test"] for row in rows]
    else:
        columns[f"{summary['fitness']}\ntau"] = [row["tau_test"] for row in rows]
    columns["validation"] = [row["tau_validation"] for row in rows]
    columns["training"] = [row["tau_train"] for row in rows]
    columns["scored"] = [f"{row['coverage']:.0%}" for row in rows]
    for task in tasks if len(tasks) > 1 else ():
        columns[heading(task)] = [figure_of(row, task["name"], "tau") for row in rows]
    return fitted("proxy", [row["name"] for row in rows], columns)


def fitted(label: str, names: Sequence[str], columns: Mapping[str, Sequence[object]]) -> list[Table]:
    """Divide columns into tables whose lines have at most 100 characters.

    Args:
        label: The heading of the first column of each table.
        names: The names of the rows, in the first column of each table.
        columns: The values of the other columns by their headings.
    """
    first = _PADDING + max(map(len, (label, *names)))
    parts: list[list[str]] = [[]]
    width = first
    for name, values in columns.items():
        needed = _PADDING + max(map(len, (*name.split("\n"), *map(cell, values))))
        if parts[-1] and width + needed > _WIDTH:
            parts.append([])
            width = first
        parts[-1].append(name)
        width += needed
    return [
        ([label, *part], [[name, *(columns[heading][place] for heading in part)] for place, name in enumerate(names)])
        for part in parts
    ]


def heading(task: Mapping[str, Any]) -> str:
    """Return a task's name over several lines."""
    name = str(task["name"]).replace("/", "\n").replace(":", "\n")
    return f"{name}\nheld out" if task["held_out"] else name
