"""Tables of a run over score files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import print_table
from eznas.report.html import interval

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def print_scores_run(summary: Mapping[str, Any], directory: Path) -> None:
    """Print the programs' figures beside the columns', those of each task, then the programs."""
    rows = [*summary["hall_of_fame"], *summary["baselines"].values()]
    over = {"least": "least tau", "weighted": "weighted mean tau"}.get(summary["fitness"], "mean tau")
    names = [task["name"] for task in summary["tasks"] if not task["held_out"]]
    tasks = "1 task" if len(names) == 1 else f"{over} over {len(names)} tasks"
    print_table(
        f"{summary['target']}: {tasks}",
        ["proxy", "nodes", "tau", "validation", "training", "scored"],
        [
            [
                row["name"],
                row["complexity"],
                row["tau_test"],
                row["tau_validation"],
                row["tau_train"],
                f"{row['coverage']:.0%}",
            ]
            for row in rows
        ],
    )
    print_table(
        "the best program and the best column on the test architectures of each task",
        ["task", "architectures", "rank0", "95 %", "best column", "its tau"],
        [_task_row(task, summary) for task in summary["tasks"]],
    )
    for row in summary["hall_of_fame"]:
        click.echo(f"{row['name']}  {row['program']}")
    click.echo(f"\nwritten to {directory}")


def _task_row(task: Mapping[str, Any], summary: Mapping[str, Any]) -> list[object]:
    name = task["name"]
    own = summary["best"]["tasks"][name]
    taus = {
        column: row["tasks"][name]["tau"]
        for column, row in summary["baselines"].items()
        if row["tasks"][name]["tau"] is not None
    }
    best = max(taus, key=lambda column: float(taus[column]), default=None)
    return [
        f"{name} (held out)" if task["held_out"] else name,
        task["networks"]["test"],
        own["tau"],
        interval(own["tau_low"], own["tau_high"]),
        best,
        taus[best] if best is not None else None,
    ]
