"""The tables of an evolution's run directory, and a page of them for notebooks."""

from __future__ import annotations

import contextlib
import html
from typing import TYPE_CHECKING, Any

from eznas.report.html import html_image, html_table
from eznas.report.progress import progress_figure
from eznas.report.scores import scores_figure
from eznas.report.style import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.run import RunDirectory


_COLUMNS = {
    "name": "proxy",
    "tau_test": "test tau",
    "rho_test": "test rho",
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
    return [{"name": f"rank{rank}", **_numbers(row)} for rank, row in enumerate(rows)]


def read_logbook(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return a record for each generation.

    Raises:
        InputError: The run was stopped before its first generation.
    """
    return [_numbers(row) for row in directory.read_csv("logbook.csv")]


def evolution_figures(directory: RunDirectory) -> dict[str, Figure]:
    """Return ``"scores"`` of a finished run, and ``"progress"`` of a run with a generation."""
    figures: dict[str, Figure] = {}
    if is_finished(directory):
        target = directory.read_json("summary.json")["target"]
        figures["scores"] = scores_figure(directory.read_csv("test_scores.csv"), target)
    if logbook := directory.read_csv("logbook.csv"):
        figures["progress"] = progress_figure(logbook)
    return figures


def evolution_html(directory: RunDirectory) -> str:
    """Return the hall of fame, the baselines and the plots as HTML that needs no other file."""
    records = read_hall_of_fame(directory)
    title = "hall of fame, not tested yet"
    if is_finished(directory):
        summary = directory.read_json("summary.json")
        records = [*records, *summary["baselines"].values()]
        title = f"{summary['target']}: {summary['networks']['test']} test networks"
    table = html_table([*_COLUMNS.values()], [[record.get(column) for column in _COLUMNS] for record in records])
    images = "".join(html_image(name, png(figure)) for name, figure in evolution_figures(directory).items())
    return f"<p><b>{html.escape(str(directory.path))}</b>: {html.escape(title)}</p>{table}{images}"


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    """Return a row of a CSV file with its numbers as numbers, and None for nothing."""
    return {name: _number(cell) for name, cell in row.items()}


def _number(cell: str) -> float | int | str | None:
    with contextlib.suppress(ValueError):
        return int(cell)
    with contextlib.suppress(ValueError):
        return float(cell)
    return cell or None
