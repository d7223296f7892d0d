"""Tables and plots of an evaluation of predictors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from eznas.predictors.plane import best_by_cost, with_costs
from eznas.report.style import COLOURS, figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from eznas.predictors.evaluation_data import Row

COLUMNS = (
    *("predictor", "N", "epochs", "tau", "sd", "top half", "prec@10", "rho", "MAE", "in 95 %", "no tau"),
    *("fit s", "predict s", "init s", "query s"),
)
_LEAST_SECONDS = 1e-6
"""Where the plane shows shorter times."""
_CELLS = 160
"""Of the plane in each direction."""


def heading(facts: Mapping[str, Any]) -> str:
    """Return the data and the protocol in one line."""
    return (
        f"{facts['space']}, {facts['target']}: means of {facts['trials']} trials, {facts['test']} test architectures, "
        f"{facts['sampling']} sampling"
    )


def table_rows(summary: Sequence[Row]) -> list[list[object]]:
    """Return the rows of the table with ``COLUMNS``."""
    names = (
        *("tau", "tau_sd", "tau_top_half", "precision_10", "spearman", "mae", "coverage_95", "undefined"),
        *("fit_seconds", "predict_seconds", "initialisation_seconds", "query_seconds"),
    )
    return _rows(summary, names)


def rank_rows(summary: Sequence[Row]) -> tuple[tuple[str, ...], list[list[object]]]:
    """Return columns and rows of the other metrics of the ranking and of the error."""
    names = ("tau_rounded_1", "tau_rounded_2", "precision_20", "pearson", "rmse", "failed")
    columns = ("predictor", "N", "epochs", "tau, 1 decimal", "tau, 2 decimals", "prec@20", "r", "RMSE", "failed")
    return columns, _rows(summary, names)


def calibration_rows(summary: Sequence[Row]) -> tuple[tuple[str, ...], list[list[object]]]:
    """Return columns and rows of the coverage of intervals, of the predictors with a standard deviation."""
    names = ("coverage_50", "coverage_80", "coverage_95")
    stated = [row for row in summary if row["coverage_95"] is not None]
    return ("predictor", "N", "epochs", "in 50 %", "in 80 %", "in 95 %"), _rows(stated, names)


def plane_rows(summary: Sequence[Row]) -> tuple[tuple[str, ...], list[list[object]]]:
    """Return columns and rows of the plane: the predictors that are the best within their own costs."""
    names = ("initialisation_seconds", "query_seconds", "tau")
    return ("predictor", "N", "epochs", "init s", "query s", "tau"), _rows(best_by_cost(summary), names)


def _rows(summary: Sequence[Row], names: Sequence[str]) -> list[list[object]]:
    return [
        [row["predictor"], row["train_size"], row["epochs"] or None, *(row[name] for name in names)] for row in summary
    ]


def taus_figure(summary: Sequence[Row]) -> Figure | None:
    """Plot tau against the train size, or against the epochs for predictors that do not learn from accuracies.

    Where a predictor depends on both, its line is that of the last epoch.

    Returns:
        The figure; None where no predictor has two points.
    """
    last = max(row["epochs"] for row in summary)
    by_size = [row for row in summary if row["train_size"] and row["epochs"] in (0, last)]
    by_epoch = [row for row in summary if not row["train_size"] and row["epochs"]]
    panels = {"trained architectures": ("train_size", _lines(by_size)), "epochs": ("epochs", _lines(by_epoch))}
    drawn = {label: panel for label, panel in panels.items() if any(len(line) > 1 for line in panel[1].values())}
    if not drawn:
        return None
    made = figure(5.4 * len(drawn), 3.8)
    for axes, (label, (axis, lines)) in zip(made.subplots(1, len(drawn), squeeze=False)[0], drawn.items(), strict=True):
        for (name, line), colour in zip(lines.items(), COLOURS * len(lines), strict=False):
            x = [row[axis] for row in line]
            tau, spread = (np.array([row[key] or 0.0 for row in line]) for key in ("tau", "tau_sd"))
            axes.plot(x, tau, color=colour, linewidth=1.6, marker="o", markersize=3, label=name)
            axes.fill_between(x, tau - spread, tau + spread, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_ylabel("tau: mean and standard deviation")
        plain(axes)
        axes.legend(fontsize=7, frameon=False)
    return made


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    lines: dict[str, list[Row]] = {}
    for row in rows:
        if row["tau"] is not None:
            lines.setdefault(row["predictor"], []).append(row)
    return lines


def plane_figure(summary: Sequence[Row]) -> Figure | None:
    """Plot initialisation time against query time, coloured by the predictor with the highest tau for these seconds.

    Each dot is a predictor at one size and epoch, at its own costs.

    Returns:
        The figure; None where the table does not state the seconds of trainings.
    """
    rows = with_costs(summary)
    if not rows:
        return None
    names = [*dict.fromkeys(row["predictor"] for row in rows)]
    colours = [(COLOURS * len(names))[place] for place in range(len(names))]
    costs = [[max(row[key], _LEAST_SECONDS) for row in rows] for key in ("initialisation_seconds", "query_seconds")]
    made = figure(6.6, 4.2)
    axes = made.subplots()
    x, y = (np.geomspace(min(values) / 3, max(values) * 3, _CELLS) for values in costs)
    cells = np.full((len(y), len(x)), math.nan)
    for row in sorted(rows, key=lambda row: row["tau"], reverse=True):
        affordable = (y >= row["query_seconds"])[:, None] & (x >= row["initialisation_seconds"])
        cells[affordable & np.isnan(cells)] = names.index(row["predictor"])
    axes.pcolormesh(x, y, cells, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(names) - 0.5, alpha=0.35)
    dots = [colours[names.index(row["predictor"])] for row in rows]
    axes.scatter(costs[0], costs[1], c=dots, s=14, edgecolors="white", linewidths=0.4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("seconds before the first prediction")
    axes.set_ylabel("seconds of a prediction")
    plain(axes)
    pairs = zip(names, colours, strict=True)
    marks = [Line2D([], [], color=colour, marker="s", linestyle="", label=name) for name, colour in pairs]
    axes.legend(handles=marks, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return made
