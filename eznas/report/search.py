"""What searches found: best accuracy against queries and seconds, a table, and both as one page."""

from __future__ import annotations

import base64
import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.report.style import BLUE, GREY, INK, ORANGE, figure, plain, png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from eznas.run import RunDirectory

__all__ = ["Curves", "curves_figure", "front_figure", "read_curves", "search_page", "search_rows"]

_COLOURS = (ORANGE, BLUE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK, GREY)
_POINTS = 200
_MARGIN = 0.05
_LINE = 0.18
"""Inches of a line of the legend."""

COLUMNS = ("search", "runs", "found", "deviation", "regret", "queries", "seconds", "fewer queries", "fewer seconds")
"""The columns of ``search_rows``."""


@dataclass(frozen=True)
class Curves:
    """The best so far in each run of one search.

    Args:
        label: What legends call it.
        facts: What ``results.json`` says of it.
        summary: Its summary over runs.
        found: ``r`` runs; of each the best accuracy after each query, or the signal where there are no accuracies, its
            negative where less is better.
        seconds: ``r`` runs; of each the seconds after each query.
        front: The looks of all runs that no other look beats in both signal and cost, by cost; negative as above.
    """

    label: str
    facts: dict[str, Any]
    summary: dict[str, Any]
    found: list[NDArray[np.float64]]
    seconds: list[NDArray[np.float64]]
    front: list[tuple[float, float]]

    @property
    def what(self) -> str:
        """What is found: which accuracy, or the signal."""
        return str(self.facts["target"] or self.climbed)

    @property
    def climbed(self) -> str:
        """What is climbed: the signal, or its negative where less is better."""
        return "the signal" if self.facts.get("direction", 1) > 0 else "the negative of the signal"

    def by_queries(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ``1 ... q`` and ``r x q`` of the best so far; a run that ended early keeps its last value."""
        most = max((len(one) for one in self.found), default=0)
        rows = [np.pad(one, (0, most - len(one)), mode="edge") for one in self.found if len(one)]
        return np.arange(1.0, most + 1), np.array(rows).reshape(len(rows), most)

    def by_seconds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return seconds, from when every run has looked once, and ``r x t`` of the best at that time."""
        runs = [(times, found) for times, found in zip(self.seconds, self.found, strict=True) if len(found)]
        if not self.facts["timed"] or not runs or max(times[-1] for times, _ in runs) <= 0:
            return np.empty(0), np.empty((0, 0))
        first, last = max(times[0] for times, _ in runs), max(times[-1] for times, _ in runs)
        grid = np.geomspace(max(first, 1e-3), max(last, first, 1e-3), _POINTS)
        grid[0] = max(grid[0], first)  # not a rounding error before it
        rows = [found[np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)] for times, found in runs]
        return grid, np.array(rows)


def read_curves(directory: RunDirectory) -> Curves:
    """Read the ``results.json`` of a search.

    Raises:
        InputError: It is missing or holds something else.
    """
    read = directory.read_json("results.json")
    if not {"facts", "summary", "runs"} <= read.keys():
        raise InputError(f"{directory.path}/results.json must be one of eznas.search, with facts, summary and runs")
    steps = [run["steps"] for run in read["runs"]]
    known = read["facts"]["target"] is not None
    sign = read["facts"].get("direction", 1)
    return Curves(
        label=read["facts"]["label"],
        facts=read["facts"],
        summary=read["summary"],
        found=[_column(one["best_accuracy"]) if known else sign * _column(one["best_value"]) for one in steps],
        seconds=[_column(one["seconds"]) for one in steps],
        front=_front(
            [pair for one in steps for pair in zip(one["cost"], (sign * _column(one["value"])).tolist(), strict=True)]
        ),
    )


def curves_figure(searches: Sequence[Curves], *, seconds: bool) -> Figure:
    """Plot the median of the best so far over runs, between its quartiles, against queries or seconds."""
    made = figure(6.4, 3.8 + _LINE * len(searches))
    axes = made.subplots()
    lows = []
    for index, one in enumerate(searches):
        places, rows = one.by_seconds() if seconds else one.by_queries()
        if not places.size or np.isnan(rows).all():
            continue
        low, middle, high = _quartiles(rows)
        colour = _COLOURS[index % len(_COLOURS)]
        axes.plot(places, middle, color=colour, linewidth=1.6, label=one.label)
        axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
        lows.append(np.nanmin(middle[len(middle) // 20 :]))
    if lows:
        top = max(float(np.nanmax(np.concatenate(one.found))) for one in searches if any(map(len, one.found)))
        best = [one.facts["best_of_the_space"] for one in searches]
        if None not in best and searches[0].facts["target"]:
            top = max(best)
            axes.axhline(top, color=GREY, linewidth=0.8, linestyle="--")
        span = top - min(lows) or 1.0
        axes.set_ylim(min(lows) - _MARGIN * span, top + _MARGIN * span)
        made.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center")
    if seconds:
        axes.set_xscale("log")
    axes.set_xlabel("seconds of training and scoring" if seconds else "queries")
    what = "accuracy of the best so far" if searches[0].facts["target"] else f"{searches[0].climbed}, best so far"
    axes.set_ylabel(f"{what}: median, quartiles", fontsize=9)
    plain(axes)
    return made


def front_figure(searches: Sequence[Curves], cost: str) -> Figure:
    """Plot the fronts between the signal and a cost."""
    made = figure(6.4, 3.8)
    axes = made.subplots()
    for index, one in enumerate(searches):
        if one.front:
            costs, values = zip(*one.front, strict=True)
            axes.step(costs, values, where="post", marker="o", markersize=3, linewidth=1.2,
                      color=_COLOURS[index % len(_COLOURS)], label=one.label)  # fmt: skip
    axes.set_xlabel(cost)
    axes.set_ylabel(searches[0].climbed)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    plain(axes)
    return made


def search_rows(searches: Sequence[Curves]) -> list[list[object]]:
    """Return one row a search, as ``COLUMNS`` names them; the last search is the baseline of the speed-ups.

    A speed-up is what the baseline's mean over runs needs to come to its own final value, divided by what this
    search's mean needs to come there; None where it never does.
    """
    rows: list[list[object]] = []
    for one in searches:
        summary = one.summary
        known = summary["accuracy_mean"] is not None
        rows.append(
            [
                one.label,
                summary["runs"],
                summary["accuracy_mean" if known else "value_mean"],
                summary["accuracy_std"],
                summary["regret_mean"],
                summary["queries_mean"],
                summary["seconds_mean"],
                _speed_up(one, searches[-1], seconds=False) if len(searches) > 1 else None,
                _speed_up(one, searches[-1], seconds=True) if len(searches) > 1 else None,
            ]
        )
    return rows


def search_page(searches: Sequence[Curves], command: str, cost: str = "") -> str:
    """Return one self-contained HTML page with the table and the plots.

    Args:
        searches: The search, then those that it is compared with.
        command: The command line.
        cost: What the second objective is called; empty where there is none.
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in search_rows(searches)
    )
    pictures = [curves_figure(searches, seconds=False), curves_figure(searches, seconds=True)]
    if cost:
        pictures.append(front_figure(searches, cost))
    images = "".join(
        f'<img alt="" src="data:image/png;base64,{base64.b64encode(png(one)).decode()}">' for one in pictures
    )
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in searches[0].facts.items()
        if value is not None
    )
    speed = (
        f"<p>Fewer: how many times fewer the mean over runs of a search needs to come to the final mean of "
        f"{html.escape(searches[-1].label)}.</p>"
        if len(searches) > 1
        else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(searches[0].label)}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: {INK}; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right }}
th:first-child, td:first-child {{ text-align: left }} img {{ max-width: 100%; width: 40rem; display: block }}
dt {{ float: left; clear: left; width: 11rem; color: {GREY} }} code {{ overflow-wrap: anywhere }}
</style></head><body>
<h1>{html.escape(searches[0].label)}</h1><p>Found: {html.escape(searches[0].what)}.</p>
<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{speed}
{images}
<dl>{facts}</dl><p><code>{html.escape(command)}</code></p>
</body></html>
"""


def _speed_up(one: Curves, baseline: Curves, *, seconds: bool) -> float | None:
    ends = [_needed(each, _final(baseline), seconds=seconds) for each in (one, baseline)]
    return ends[1] / ends[0] if ends[0] and ends[1] else None


def _final(one: Curves) -> float:
    _, rows = one.by_queries()
    return float(rows[:, -1].mean()) if rows.size else float("nan")


def _needed(one: Curves, level: float, *, seconds: bool) -> float | None:
    """Return where the mean over runs comes to a level; a run that has found nothing keeps it from there."""
    places, rows = one.by_seconds() if seconds else one.by_queries()
    if not rows.size:
        return None
    reached = np.flatnonzero(rows.mean(axis=0) >= level - 1e-9)
    return float(places[reached[0]]) if reached.size else None


def _quartiles(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``3 x q`` quartiles over ``r x q`` rows; a run whose looks all failed so far counts as the worst."""
    known = np.where(np.isnan(rows), -np.inf, rows)
    ordered = np.percentile(known, [25, 50, 75], axis=0, method="lower")
    return np.where(np.isfinite(ordered), ordered, np.nan)


def _front(looks: Sequence[tuple[float | None, float]]) -> list[tuple[float, float]]:
    front: list[tuple[float, float]] = []
    known = {(cost, value) for cost, value in looks if cost is not None and not np.isnan(value)}
    for cost, value in sorted(known, key=lambda look: (look[0], -look[1])):
        if not front or value > front[-1][1]:
            front.append((cost, value))
    return front


def _column(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else json.dumps(value).strip('"')
