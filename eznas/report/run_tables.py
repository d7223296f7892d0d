"""The verdict and the tables of a finished evolution as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from eznas.report.html import Html, html_table, interval, seconds, signed, signed_interval
from eznas.report.page import badge, bar, code, definitions, details, items, wide
from eznas.report.run_results import figure_of, verdict_lines

if TYPE_CHECKING:
    from eznas.report.run_results import RunResults


_FIGURES = ("tau", "tau_low", "tau_high", "rho", "tau_equal_size", "precision_top10", "ndcg")

_LONG = 110
"""Characters of a program that is shown whole."""

_MANY = 20
"""Networks that were left out above which their table is closed."""


def headline(run: RunResults) -> str:
    """Return the verdict as a sentence with its notes."""
    first, *others = verdict_lines(run.verdict)
    return f'<div class="verdict"><p><b>{html.escape(first)}</b></p>{items(others)}</div>'


def tasks_table(run: RunResults) -> str:
    """Return a table of the best program on each task beside the baseline that decides the verdict."""
    columns = ["task", "verdict", "tau", "95 %", "baseline", "its tau", "difference", "95 %", "networks", "rho",
               "equal size", "top 10 %", "nDCG"]  # fmt: skip
    rows = []
    for record in run.verdict["tasks"]:
        name = record["name"]
        figures = {key: figure_of(run.best, name, key) for key in _FIGURES}
        rows.append(
            [
                f"{name} (held out)" if record["held_out"] else name,
                badge(record["verdict"]),
                figures["tau"],
                interval(figures["tau_low"], figures["tau_high"]),
                record["baseline"],
                record["tau_baseline"],
                signed(record["difference"]),
                signed_interval(record["low"], record["high"]),
                f"{record['n']} of {record['networks']}" if record["n"] else record["networks"],
                *(figures[key] for key in _FIGURES[3:]),
            ]
        )
    return wide(html_table(columns, rows))


def programs_table(run: RunResults) -> str:
    """Return a table of the programs and the baselines with their tau on the run and each task, then the programs."""
    tasks = [] if len(run.tasks) == 1 else [task.name for task in run.tasks]
    columns = ["proxy", "nodes", "seconds", run.fitness, *(map(heading, tasks) if tasks else ["95 %", "rho"]),
               "validation", "training", "scored"]  # fmt: skip
    rows = []
    for row in run.rows:
        by_task: list[object] = [figure_of(row, task, "tau") for task in tasks]
        single = [interval(row["tau_test_low"], row["tau_test_high"]), row["rho_test"]]
        rows.append(
            [
                row["name"],
                row["complexity"] or None,
                seconds(row.get("seconds")),
                row["tau_test"],
                *(by_task or single),
                row["tau_validation"],
                row["tau_train"],
                f"{row['coverage']:.0%}",
            ]
        )
    texts = definitions({row["name"]: code(row["program"], _LONG) for row in run.summary["hall_of_fame"]})
    return wide(html_table(columns, rows)) + texts


def metrics_table(run: RunResults, task: str) -> str:
    """Return a table of every metric of the best program and the baselines on a task."""
    columns = ["proxy", "tau", "95 %", "rho", "equal size", "top 10 %", "nDCG", "networks", "failures"]
    rows = []
    for name, record in run.compared.items():
        figures = {key: figure_of(record, task, key) for key in (*_FIGURES, "n", "statuses")}
        failed = {status: count for status, count in (figures["statuses"] or {}).items() if status != "ok"}
        rows.append(
            [
                name,
                figures["tau"],
                interval(figures["tau_low"], figures["tau_high"]),
                *(figures[key] for key in _FIGURES[3:]),
                figures["n"],
                ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in failed.items()) or None,
            ]
        )
    return wide(html_table(columns, rows))


def ablation_losses(run: RunResults) -> list[tuple[dict[str, Any], float | None]]:
    """Return the parts of the best program, each with the tau that the rest lacks in the mean over the tasks.

    The parts that cost most tau come first, and those without a tau last.
    """
    found: list[tuple[dict[str, Any], float | None]] = []
    for entry in run.summary.get("ablation", ()):
        losses = [
            whole - rest
            for task in run.tasks
            if (whole := figure_of(run.best, task.name, "tau")) is not None
            and (rest := entry["tasks"].get(task.name)) is not None
        ]
        found.append((entry, sum(losses) / len(losses) if losses else None))
    return sorted(found, key=lambda part: float("inf") if part[1] is None else -part[1])


def ablation_table(run: RunResults) -> str:
    """Return a table of the tau that the best program has without each of its parts; nothing without a part."""
    tasks = [task.name for task in run.tasks]
    rows = [
        [
            code(entry["without"]),
            loss,
            Html("") if loss is None else bar(loss),
            *(entry["tasks"].get(task) for task in tasks),
            code(entry["program"]),
        ]
        for entry, loss in ablation_losses(run)
    ]
    names = ["tau"] if len(tasks) == 1 else map(heading, tasks)
    return wide(html_table(["without", "tau lost", "", *names, "rest of the program"], rows)) if rows else ""


def left_out_table(run: RunResults) -> str:
    """Return a table of the networks that were left out, with their reasons; nothing without one."""
    rows = [
        [
            Html(f"<code>{html.escape(architecture)}</code>"),
            task.name,
            part,
            Html(f"<code>{html.escape(reason)}</code>"),
        ]
        for task in run.tasks
        for part, reasons in task.facts.get("left_out", {}).items()
        for architecture, reason in reasons.items()
    ]
    table = wide(html_table(["architecture", "task", "networks", "reason"], rows)) if rows else ""
    return table if len(rows) <= _MANY else details(f"{len(rows)} networks", table)


def heading(task: str) -> Html:
    """Return the name of a task over several lines."""
    return Html(html.escape(task).replace("/", "/<br>").replace(":", ":<br>"))
