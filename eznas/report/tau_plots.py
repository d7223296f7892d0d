"""Plots of tau: of the best program and the baselines by task, and against seconds and complexity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from eznas.report.run_results import figure_of, shown_baselines
from eznas.report.style import BLUE, GREY, INK, ORANGE, PURPLE, figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from eznas.report.run_results import RunResults

_ACROSS = 4
_WIDTH, _ROW = 2.2, 0.21
_LABEL = 1.0
_LEAST_SPAN = 0.05
"""Decades of seconds from which their axis is logarithmic."""


@dataclass(frozen=True)
class Bar:
    """A tau with its interval.

    Args:
        name: The name beside the bar.
        tau: None where there is none.
        low: Lower end of the interval; None where there is none.
        high: Upper end of the interval.
        colour: The colour of the bar.
    """

    name: str
    tau: float | None
    low: float | None
    high: float | None
    colour: str


def taus_figure(run: RunResults) -> Figure:
    """Plot the tau of the best program and of each baseline with its 95 % interval, one panel for each task.

    Args:
        run: A finished run.
    """
    panels = {}
    for task in run.tasks:
        colours = {"best": PURPLE if task.held_out else ORANGE}
        panels[f"{task.name}{' (held out)' if task.held_out else ''}"] = [
            bar_of(name, record, task.name, colours.get(name, BLUE)) for name, record in run.compared.items()
        ]
    return bars_figure(panels)


def bar_of(name: str, record: Mapping[str, Any], task: str, colour: str) -> Bar:
    """Return the bar of a proxy on a task."""
    tau, low, high = (figure_of(record, task, part) for part in ("tau", "tau_low", "tau_high"))
    return Bar(name, tau, low, high, colour)


def bars_figure(panels: Mapping[str, Sequence[Bar]]) -> Figure:
    """Plot bars with intervals, the first one on top.

    Args:
        panels: The bars of each panel by its title; each panel has bars of the same names.
    """
    names = [bar.name for bar in next(iter(panels.values()))]
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    plot = figure(max(_WIDTH * across, 4.4) + _LABEL, (_ROW * len(names) + 0.75) * down)
    axes = plot.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (title, bars) in zip(axes, panels.items(), strict=False):
        plain(panel)
        panel.grid(visible=False, axis="y")
        panel.axvline(0, color=GREY, linewidth=0.8)
        for place, bar in enumerate(bars):
            if bar.tau is None:
                panel.text(0.01, place, "no tau", fontsize=7, color=GREY, va="center")
                continue
            panel.barh(place, bar.tau, height=0.66, color=bar.colour, alpha=0.85, linewidth=0)
            if bar.low is not None:
                panel.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.0, solid_capstyle="butt")
        panel.set_title(title, fontsize=9, color=INK, parse_math=False)
        panel.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
        panel.tick_params(axis="y", length=0)
    axes[0].invert_yaxis()
    for panel in axes[len(panels) :]:
        panel.set_visible(False)
    for panel in axes[len(panels) - across : len(panels)]:
        panel.tick_params(labelbottom=True)
    plot.supxlabel("Kendall's tau on the test networks, with its 95 % interval", fontsize=9, color=INK)
    return plot


def pareto_figure(run: RunResults) -> Figure | None:
    """Plot tau against the seconds a network takes and against the number of nodes, with the Pareto fronts.

    Args:
        run: A finished run.

    Returns:
        The figure; None without a program that has a tau.
    """
    programs = [row for row in run.summary["hall_of_fame"] if row["tau_test"] is not None]
    baselines = [row for row in shown_baselines(run.summary).values() if row["tau_test"] is not None]
    if not programs:
        return None
    timed = [row for row in (*programs, *baselines) if row.get("seconds")]
    plot = figure(8.4 if timed else 4.4, 3.4)
    panels = list(plot.subplots(1, 2 if timed else 1, squeeze=False).ravel())
    if timed:
        _front(panels[0], timed, "seconds")
        seconds = [row["seconds"] for row in timed]
        if math.log10(max(seconds) / min(seconds)) > _LEAST_SPAN:
            panels[0].set_xscale("log")
            panels[0].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panels[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panels[0].xaxis.set_minor_formatter(NullFormatter())
        panels[0].set_xlabel("seconds a network", fontsize=9, color=INK)
    _front(panels[-1], [row for row in (*programs, *baselines) if row["complexity"]], "complexity")
    panels[-1].set_xlabel("nodes of the program", fontsize=9, color=INK)
    panels[-1].xaxis.set_major_locator(MaxNLocator(5, integer=True))
    plot.supylabel(f"{run.fitness} on the test networks", fontsize=9, color=INK)
    return plot


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the points ``(cost, tau)`` that no other point equals or betters in both, by cost."""
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1])):
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept


def _front(panel: Axes, rows: Sequence[Mapping[str, Any]], cost: str) -> None:
    plain(panel)
    points = [(float(row[cost]), float(row["tau_test"])) for row in rows]
    best = front(points)
    panel.step(*zip(*[points[place] for place in best], strict=True), where="post", color=GREY, linewidth=1.0, zorder=1)
    for place, (row, point) in enumerate(zip(rows, points, strict=True)):
        evolved = row["name"].startswith("rank")
        panel.plot(*point, "o" if evolved else "s", color=ORANGE if evolved else BLUE, markersize=5, zorder=2,
                   alpha=1.0 if place in best else 0.45)  # fmt: skip
        if not evolved or place in best or row["name"] == "rank0":
            panel.annotate(row["name"], point, (4, 3), textcoords="offset points", fontsize=7, color=INK)
    panel.margins(x=0.15, y=0.12)
