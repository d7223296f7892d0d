"""The results of searches as plots and as one self-contained HTML page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from eznas.report.html import html_image, html_table
from eznas.report.page import CSS, code, definitions, page, section, wide
from eznas.report.search import search_table
from eznas.report.style import COLOURS, GREY, figure, plain, png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from eznas.report.search import SearchResults


_MARGIN = 0.05
_SIZE = (5.4, 3.8)
_THOUSAND = 1000
_FACTS = ("architectures", "best_of_the_space", "table", "table_sha256", "condition")

_CSS = ".eznas .plots { display: flex; flex-wrap: wrap; gap: 1rem } .eznas .plots img { width: 30rem }"


def curves_figure(searches: Sequence[SearchResults], *, seconds: bool) -> Figure | None:
    """Plot the median of the best so far over runs, between its quartiles, against queries or seconds.

    Returns:
        The figure; None if no search has such data.
    """
    plotted = []
    for search, colour in zip(searches, COLOURS * len(searches), strict=False):
        costs, rows = search.by_seconds() if seconds else search.by_queries()
        if costs.size and not np.isnan(rows).all():
            plotted.append((search, colour, costs, _quartiles(rows)))
    if not plotted:
        return None
    made = figure(*_SIZE)
    axes = made.subplots()
    for search, colour, costs, (low, median, high) in plotted:
        axes.plot(costs, median, color=colour, linewidth=1.8, drawstyle="steps-post", label=search.label)
        axes.fill_between(costs, low, high, color=colour, alpha=0.18, linewidth=0, step="post")
    bottom = min(np.nanmin(median[len(median) // 20 :]) for *_, (_, median, _) in plotted)
    top = max(float(np.nanmax(np.concatenate(search.found))) for search, *_ in plotted)
    target = searches[0].facts["target"]
    best = [search.facts["best_of_the_space"] for search in searches]
    if target and None not in best:
        top = max(best)
        axes.axhline(top, color=GREY, linewidth=0.8, linestyle="--")
        axes.annotate("best of the space", (1, top), (-2, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", va="bottom", fontsize=7, color=GREY)  # fmt: skip
    span = top - bottom or 1.0
    axes.set_ylim(bottom - _MARGIN * span, top + 1.5 * _MARGIN * span)
    if seconds:
        axes.set_xscale("log")
    axes.set_xlabel("seconds of training and scoring" if seconds else "queries")
    axes.set_ylabel(f"best {'accuracy' if target else searches[0].signal} so far: median and quartiles", fontsize=9)
    _finish(axes, len(plotted))
    return made


def front_figure(searches: Sequence[SearchResults], cost: str) -> Figure | None:
    """Plot the Pareto fronts of the signal and a cost; None if there are none."""
    if not any(search.front for search in searches):
        return None
    made = figure(*_SIZE)
    axes = made.subplots()
    for search, colour in zip(searches, COLOURS * len(searches), strict=False):
        if search.front:
            axes.step(*zip(*search.front, strict=True), where="post", marker="o", markersize=3, linewidth=1.2,
                      color=colour, label=search.label)  # fmt: skip
    axes.set_xlabel(cost)
    axes.set_ylabel(searches[0].signal)
    _finish(axes, len(searches))
    return made


def search_html(searches: Sequence[SearchResults], cost: str = "", *, within_page: bool = False) -> str:
    """Return tables and plots as an element for notebooks and pages.

    Args:
        searches: The search, then those to compare with.
        cost: Name of the second objective; empty if there is none.
        within_page: Whether a page has the style sheet of all reports already.
    """
    search, best = searches[0], searches[0].best_table()
    plots = {
        "queries": curves_figure(searches, seconds=False),
        "seconds": curves_figure(searches, seconds=True),
        **({f"{search.signal} and {cost}": front_figure(searches, cost)} if cost else {}),
    }
    notes = [f"No plot of {name}: {_reason(search, name)}." for name, plot in plots.items() if plot is None]
    if len(searches) > 1:
        notes.insert(0, f"Fewer: how many times less the search costs to reach the final mean of {searches[-1].label}.")
    images = "".join(html_image(name, png(plot), "") for name, plot in plots.items() if plot is not None)
    parts = (
        f"<h1>{html.escape(search.label)}</h1>",
        _note(f"{search.facts.get('space', '')}, {search.target}"),
        section(
            "Best architectures of all runs",
            wide(html_table(*best, _cell)) if best[1] else "<p>No run has a result.</p>",
            note="By the signal, with the number of runs that queried each.",
        ),
        section("Means over runs", wide(html_table(*search_table(searches), _cell)), *map(_note, notes)),
        section("Best so far", f'<div class="plots">{images}</div>'),
    )
    return f'<div class="eznas"><style>{"" if within_page else CSS}{_CSS}</style>{"".join(parts)}</div>'


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def search_page(searches: Sequence[SearchResults], command: str, cost: str = "") -> str:
    """Return one self-contained HTML page, which shows the command line too; see ``search_html``."""
    facts = {name.replace("_", " "): searches[0].facts.get(name) for name in _FACTS}
    known = {name: value for name, value in facts.items() if value is not None}
    shown = section("Facts", definitions({**known, "command": code(command, 400)}))
    return page(searches[0].label, search_html(searches, cost, within_page=True) + shown)


def _finish(axes: Axes, searches: int) -> None:
    """Style the axes, with a legend for several searches."""
    if searches > 1:
        axes.figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8, loc="outside lower center")
    plain(axes)


def _reason(search: SearchResults, plot: str) -> str:
    if plot == "seconds" and search.by_queries()[1].size:
        return "the seconds of a query are unknown"
    return "no run has a result"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        whole = abs(value) >= _THOUSAND or value.is_integer()
        return f"{round(value, 2) + 0.0:,.{0 if whole else 2}f}"  # never -0.00
    return str(value)


def _quartiles(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``3 x q`` quartiles over ``r x q`` rows; a run without a result yet counts as the worst."""
    values = np.where(np.isnan(rows), -np.inf, rows)
    quartiles = np.percentile(values, [25, 50, 75], axis=0, method="lower")
    return np.where(np.isfinite(quartiles), quartiles, np.nan)
