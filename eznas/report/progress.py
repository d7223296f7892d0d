"""Plot of a run: the best program's tau by generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.report.run_results import column_of
from eznas.report.style import BLUE, GREY, INK, ORANGE, figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def progress_figure(logbook: Sequence[Mapping[str, str]]) -> Figure:
    """Plot the fittest program's training and validation tau, and the programs evaluated, by generation.

    A vertical line marks the first generation with networks of full size.

    Args:
        logbook: The rows of ``logbook.csv``, at least one.
    """
    plot = figure(6.4, 4.4)
    taus, counts = plot.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    generations = column_of(logbook, "generation")
    marker = "o" if len(logbook) == 1 else ""
    for name, label, colour in [
        ("best_tau_train", "training networks", BLUE),
        ("best_tau_validation", "validation networks", ORANGE),
    ]:
        values = column_of(logbook, name)
        taus.plot(generations, values, color=colour, linewidth=1.6, marker=marker, label=f"{label} ({values[-1]:.3f})")
    taus.set_ylabel("tau of the fittest program")
    full = [float(row["generation"]) for row in logbook if row.get("full_size") == "1"]
    if full:  # another fitness, whose taus do not continue the earlier ones
        for axes in (taus, counts):
            axes.axvline(full[0] - 0.5, color=GREY, linewidth=0.8, linestyle="--")
        where = (full[0], 1.0)
        offset = {"xytext": (3, -10), "textcoords": "offset points", "fontsize": 8, "color": GREY}
        taus.annotate("full size", where, xycoords=("data", "axes fraction"), **offset)
    taus.legend(frameon=False, fontsize=8)
    counts.plot(generations, column_of(logbook, "programs_evaluated"), color=GREY, linewidth=1.4, marker=marker)
    counts.set_ylabel("programs\nevaluated")
    counts.set_xlabel("generation")
    counts.set_ylim(bottom=0)
    for axes in (taus, counts):
        plain(axes)
    _show_seconds(taus, generations, column_of(logbook, "seconds"))
    plot.align_ylabels()
    return plot


def _show_seconds(axes: Axes, generations: np.ndarray, seconds: np.ndarray) -> None:
    """Label the top axis with seconds."""
    top = axes.secondary_xaxis("top")
    shown = np.unique(np.linspace(0, len(generations) - 1, 6).round().astype(int))
    top.set_xticks(generations[shown], [f"{seconds[index]:.0f} s" for index in shown])
    top.tick_params(labelsize=8, colors=GREY, length=2)
    top.spines["top"].set_visible(False)
    axes.xaxis.label.set_color(INK)
