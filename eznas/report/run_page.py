"""``report.html``: everything that a finished evolution found, as one self-contained page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from eznas.report.genealogy import genealogy_html
from eznas.report.html import cell, html_table, seconds
from eznas.report.page import cards, code, definitions, details, page, picture, section, wide
from eznas.report.run_results import baselines_note
from eznas.report.run_tables import ablation_table, headline, left_out_table, metrics_table, programs_table, tasks_table
from eznas.report.scores import scores_figure
from eznas.report.style import png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.report.run_results import RunResults


_OPENED = 3
"""Tasks up to which all plots of scores are open."""
_DPI = 110
"""Pixels an inch of the plots of single tasks, of which a page may have many."""


def run_page(run: RunResults, pictures: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        run: The run.
        pictures: The plots that were drawn, as PNG: ``"scores"``, ``"taus"``, ``"pareto"``, ``"progress"`` and
            ``"program"``.
    """
    best = run.best
    several = len(run.tasks) > 1
    spaces = ", ".join(dict.fromkeys(str(task.facts["space"]) for task in run.tasks))
    body = [
        f'<p class="kicker">Evolution of zero-cost proxies on {html.escape(spaces)}</p>',
        f"<h1>{html.escape(run.name)}</h1>",
        headline(run),
        cards(
            {
                f"{run.fitness} on test networks": cell(best["tau_test"]),
                "seconds a network": seconds(best.get("seconds")),
                "nodes": str(best["complexity"]),
                "tasks": str(len(run.tasks)),
                "generations": str(run.summary["generations"]),
                "minutes": f"{run.summary['seconds'] / 60:.1f}",
            }
        ),
        f"<p>{code(best['program'], 400)}</p>",
        section("Tasks", tasks_table(run), note=_TASKS),
        section("Tau of the best program and of the baselines", picture("tau by task", pictures.get("taus"))),
        section(
            "Programs and baselines",
            programs_table(run),
            note=f"{_PROGRAMS}{_order(run)} {baselines_note(run.summary)}".strip(),
        ),
        section(
            "Scores and accuracies",
            picture("scores by task", pictures.get("scores"), "The best program on each task.") if several else "",
            *(_task_scores(run, place, pictures) for place in range(len(run.tasks))),
        ),
        section("Tau and cost", picture("Pareto front", pictures.get("pareto")), note=_PARETO),
        section("Ablation", ablation_table(run), note=_ABLATION),
        section("The best program", picture("program", pictures.get("program"))),
        section("Genealogy", genealogy_html(run.genealogy, best["program"]), note=_GENEALOGY),
        section("Progress", picture("progress", pictures.get("progress"))),
        section("Networks that were left out", left_out_table(run)),
        section("Data and conditions", _data(run)),
        section("Run", _facts(run)),
    ]
    return page(f"eznas: {run.name}", "\n".join(part for part in body if part))


def _order(run: RunResults) -> str:
    """Return the sentence on the order of the programs."""
    if "columns" in run.summary:  # evolved over a table of scores
        return _ORDER_OF_SCORES
    return _ORDER.format(", less the trivial tau of each task" if run.summary.get("relative") else "")


def _task_scores(run: RunResults, place: int, pictures: Mapping[str, bytes]) -> str:
    """Return the plot of every proxy on a task with the table of its metrics."""
    task = run.tasks[place]
    if len(run.tasks) == 1:
        return picture("scores", pictures.get("scores")) + metrics_table(run, task.name)
    drawn = png(scores_figure(task), _DPI) if len(task.accuracies) else None
    shown = picture(f"scores on {task.name}", drawn, scale=1)
    return details(task.name, shown + metrics_table(run, task.name), opened=len(run.tasks) <= _OPENED)


def _data(run: RunResults) -> str:
    rows = []
    for task in run.tasks:
        sizes = task.facts["networks"]
        conditions = "; ".join(task.facts["conditions"])
        rows.append(
            [
                task.name,
                *(sizes.get(part) for part in ("train", "full_size", "validation", "test")),
                task.facts.get("weight"),
                task.target,
                task.facts["images"],
                f"{conditions or 'no fitness'}; reported on {task.facts['reported_on']}",
            ]
        )
    columns = ["task", "training", "at full size", "validation", "test", "weight", "target", "images", "conditions"]
    return wide(html_table(columns, rows))


def _facts(run: RunResults) -> str:
    summary = run.summary
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in summary["statuses"].items())
    relative = ", relative to the best trivial proxy of each task"
    shown = {
        "fitness": f"{summary.get('fitness')}{relative if summary.get('relative') else ''}",
        "programs evaluated": summary.get("programs_evaluated"),
        "reductions evaluated": summary.get("reductions_evaluated"),
        "statuses": counts,
        "stopped by": summary["stopped_by"],
        "seed": summary["seed"],
        "device": summary["device"],
        "versions": ", ".join(f"{name} {version}" for name, version in summary["versions"].items() if version),
        "command": code(str(summary["command"]), 1000),
    }
    return definitions({name: value for name, value in shown.items() if value not in (None, "")})


_TASKS = (
    "All figures are of the test networks, which selection does not see. Equal size: tau on pairs of networks whose "
    "numbers of parameters differ by at most 10 %. Top 10 %: share of the best-scored tenth of the networks that is "
    "among the most accurate tenth. Difference: tau of the best program less tau of the baseline that decides the "
    "verdict, on the networks on which both have a score; its interval is a paired bootstrap over networks."
)
_PROGRAMS = (
    "Seconds: to build and score one network of full size on the machine of the run. Scored: share of the test "
    "networks with a value. "
)
_ORDER = (
    "Programs with a value on all validation networks come first, and the highest validation tau first among them{}."
)
_ORDER_OF_SCORES = "Programs are ordered by the lower of their training and their validation tau."
_PARETO = (
    "Circles are programs and squares are baselines. The line joins the proxies that no other one equals in both tau "
    "and cost."
)
_ABLATION = (
    "The tau of the best program on the test networks without each of its parts. A part with a tau lost of about 0 or "
    "below contributes nothing to the order of these networks."
)
_GENEALOGY = (
    "The best program at the top and its ancestors below it. The number in a box is the training tau at the time; "
    "point at a box for the whole program."
)
