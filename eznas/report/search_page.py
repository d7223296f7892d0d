"""The results of searches as plots and as one self-contained HTML page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from eznas.report.html import html_image, html_table
from eznas.report.search import search_table
from eznas.report.style import BLUE, GREY, INK, ORANGE, figure, plain, png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from eznas.report.search import SearchResults


_COLOURS = (ORANGE, BLUE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK, GREY)
_MARGIN = 0.05
_SIZE = (5.4, 3.8)
_THOUSAND = 1000
_FACTS = ("architectures", "best_of_the_space", "table", "table_sha256", "condition")

_CSS = f"""
.eznas {{ font: 15px/1.5 system-ui, sans-serif; color: {INK} }}
.eznas h1 {{ font-size: 1.5rem; margin: 0 }} .eznas h2 {{ font-size: 1.05rem; margin: 2rem 0 .5rem }}
.eznas p {{ color: {GREY}; margin: .25rem 0 }}
.eznas table {{ border-collapse: collapse; width: 100% }}
.eznas th {{ color: {GREY}; font-weight: 500; font-size: .85rem; border-bottom: 1px solid #bbb }}
.eznas td {{ border-bottom: 1px solid #eee; font-variant-numeric: tabular-nums }}
.eznas th, .eznas td {{ padding: .35rem .6rem; text-align: right; white-space: nowrap }}
.eznas th:first-child, .eznas td:first-child {{ text-align: left; padding-left: 0; white-space: normal;
  font-size: .9rem;  overflow-wrap: anywhere }}
.eznas code {{ font-size: .85em; overflow-wrap: anywhere }}
.eznas .plots {{ display: flex; flex-wrap: wrap; gap: 1rem }} .eznas img {{ width: 30rem; max-width: 100% }}
.eznas dl {{ display: grid; grid-template-columns: max-content auto; gap: .15rem 1.5rem; font-size: .9rem }}
.eznas dt {{ color: {GREY} }} .eznas dd {{ margin: 0; overflow-wrap: anywhere }}
"""


def curves_figure(searches: Sequence[SearchResults], *, seconds: bool) -> Figure | None:
    """Plot the median of the best so far over runs, between its quartiles, against queries or seconds.

    Returns:
        The figure; None if no search has such data.
    """
    plotted = []
    for search, colour in zip(searches, _COLOURS * len(searches), strict=False):
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
    for search, colour in zip(searches, _COLOURS * len(searches), strict=False):
        if search.front:
            axes.step(*zip(*search.front, strict=True), where="post", marker="o", markersize=3, linewidth=1.2,
                      color=colour, label=search.label)  # fmt: skip
    axes.set_xlabel(cost)
    axes.set_ylabel(searches[0].signal)
    _finish(axes, len(searches))
    return made


def search_html(searches: Sequence[SearchResults], cost: str = "") -> str:
    """Return tables and plots as an element for notebooks and pages.

    Args:
        searches: The search, then those to compare with.
        cost: Name of the second objective; empty if there is none.
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
    return (
        f'<div class="eznas"><style>{_CSS}</style><h1>{html.escape(search.label)}</h1>'
        f"<p>{html.escape(str(search.facts.get('space', '')))}, {html.escape(search.target)}</p>"
        f"<h2>Best architectures of all runs</h2><p>By the signal, with the number of runs that queried each.</p>"
        f"{html_table(*best, _cell) if best[1] else '<p>No run has a result.</p>'}"
        f"<h2>Means over runs</h2>{html_table(*search_table(searches), _cell)}"
        f"{''.join(f'<p>{html.escape(note)}</p>' for note in notes)}"
        f'<h2>Best so far</h2><div class="plots">{images}</div></div>'
    )


def search_page(searches: Sequence[SearchResults], command: str, cost: str = "") -> str:
    """Return one self-contained HTML page; see ``search_html``.

    Args:
        searches: The search, then those to compare with.
        command: The command line.
        cost: Name of the second objective; empty if there is none.
    """
    facts = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(str(searches[0].facts[name]))}</dd>"
        for name in _FACTS
        if searches[0].facts.get(name) is not None
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(searches[0].label)}</title>
<style>body {{ max-width: 64rem; margin: 2.5rem auto; padding: 0 1.5rem }}</style></head><body>
{search_html(searches, cost)}
<div class="eznas"><h2>Facts</h2><dl>{facts}<dt>command</dt><dd><code>{html.escape(command)}</code></dd></dl></div>
</body></html>
"""


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
