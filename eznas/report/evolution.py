"""The tables of an evolution's run directory, and a page of them for notebooks."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from eznas.report.html import html_image, html_table
from eznas.report.page import CSS
from eznas.report.progress import progress_figure
from eznas.report.run_results import RunResults, numbers
from eznas.report.run_tables import headline, programs_table, tasks_table
from eznas.report.scores import best_scores_figure, scores_figure
from eznas.report.style import png
from eznas.report.tau_plots import pareto_figure, taus_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.run import RunDirectory


_COLUMNS = {
    "name": "proxy",
    "tau_validation": "validation tau",
    "tau_train": "training tau",
    "complexity": "nodes",
    "program": "program",
}


def is_finished(directory: RunDirectory) -> bool:
    """Whether the run has reported its programs on the test networks."""
    return (directory.path / "summary.json").is_file()


def read_hall_of_fame(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return a record for each program, the best first; before the end of a run they have no test figures.

    Raises:
        InputError: The run was stopped before it had a program.
    """
    if is_finished(directory):
        records: list[dict[str, Any]] = directory.read_json("summary.json")["hall_of_fame"]
        return records
    rows = directory.read_csv("hall_of_fame.provisional.csv")
    return [{"name": f"rank{rank}", **numbers(row)} for rank, row in enumerate(rows)]


def read_logbook(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return a record for each generation.

    Raises:
        InputError: The run was stopped before its first generation.
    """
    return [numbers(row) for row in directory.read_csv("logbook.csv")]


def evolution_figures(directory: RunDirectory) -> dict[str, Figure]:
    """Return the plots of a run by name.

    A finished run has ``"scores"``, ``"taus"`` and ``"pareto"``; a run with a generation has ``"progress"``.
    """
    figures: dict[str, Figure] = {}
    if is_finished(directory):
        run = RunResults.read(directory)
        figures["scores"] = scores_figure(run.tasks[0]) if len(run.tasks) == 1 else best_scores_figure(run.tasks)
        figures["taus"] = taus_figure(run)
        if (pareto := pareto_figure(run)) is not None:
            figures["pareto"] = pareto
    if logbook := directory.read_csv("logbook.csv"):
        figures["progress"] = progress_figure(logbook)
    return figures


def evolution_html(directory: RunDirectory) -> str:
    """Return the verdict, the tables and up to two plots as HTML that needs no other file."""
    path = html.escape(str(directory.path))
    if is_finished(directory):
        run = RunResults.read(directory)
        plot = scores_figure(run.tasks[0]) if len(run.tasks) == 1 else taus_figure(run)
        body = f"{headline(run)}{tasks_table(run)}{programs_table(run)}{html_image('test networks', png(plot))}"
    else:
        records = read_hall_of_fame(directory)
        rows = [[record.get(column) for column in _COLUMNS] for record in records]
        body = f"<p>hall of fame, not tested yet</p>{html_table([*_COLUMNS.values()], rows)}"
    if logbook := directory.read_csv("logbook.csv"):
        body += html_image("progress", png(progress_figure(logbook)))
    return f'<div class="eznas"><style>{CSS}</style><p><b>{path}</b></p>{body}</div>'
