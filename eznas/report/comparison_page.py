"""``comparison.html``: evolutions beside one another, as one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.report.comparison import comparison, differences_table, tau_and_interval
from eznas.report.html import html_table, seconds
from eznas.report.page import code, definitions, items, page, picture, section, wide
from eznas.report.run_tables import heading
from eznas.report.style import COLOURS, png
from eznas.report.tau_plots import bar_of, bars_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from eznas.report.run_results import RunResults


def comparison_page(runs: Mapping[str, RunResults]) -> str:
    """Return the page.

    Args:
        runs: Finished runs by their names, at least one.
    """
    compared = comparison(runs)
    tasks = list(dict.fromkeys(task.name for run in runs.values() for task in run.tasks))
    columns = ["run", "minutes", "generations", "nodes", "seconds", "fitness", "tau", *map(heading, tasks)]
    rows = []
    for record in compared["runs"]:
        best = record["best"]
        figures = [record["tasks"].get(task) or {} for task in tasks]
        rows.append(
            [
                record["run"],
                f"{record['seconds'] / 60:.1f}",
                record["generations"],
                best["complexity"],
                seconds(best["seconds"]),
                record["fitness"],
                best["tau_test"],
                *(tau_and_interval(figure) for figure in figures),
            ]
        )
    differences = differences_table(compared)
    body = [
        "<h1>Comparison of evolutions</h1>",
        section("Verdicts", definitions({record["run"]: record["verdict"] for record in compared["runs"]})),
        section("Runs", wide(html_table(columns, rows)), note=_RUNS),
        section("Tau of the best programs", picture("tau by task", png(runs_figure(runs, tasks)))),
        section(
            "Paired differences",
            wide(html_table(*differences)) if differences[1] else "",
            items(compared["notes"]),
            note=_DIFFERENCES,
        ),
        section("Programs", definitions({name: code(run.best["program"], 400) for name, run in runs.items()})),
        section("Commands", definitions({name: code(str(run.summary["command"]), 400) for name, run in runs.items()})),
    ]
    return page("eznas: comparison of evolutions", "\n".join(part for part in body if part))


def runs_figure(runs: Mapping[str, RunResults], tasks: list[str]) -> Figure:
    """Plot the tau of the best program of each run with its 95 % interval, one panel for each task."""
    colours = dict(zip(runs, COLOURS * len(runs), strict=False))
    return bars_figure(
        {task: [bar_of(name, run.best, task, colours[name]) for name, run in runs.items()] for task in tasks}
    )


_RUNS = (
    "Tau is that of the best program of each run on the test networks, with its 95 % interval. Seconds: a network at "
    "full size."
)
_DIFFERENCES = (
    "Tau of the first run's best program less tau of the second one's on the same test networks, with the 95 % "
    "interval of a paired bootstrap over networks."
)
