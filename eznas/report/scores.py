"""Plots of scores against accuracies on the test networks: small multiples over proxies, or over tasks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from eznas.benchmarks.convert.transnas import METRICS
from eznas.ranking import correlate
from eznas.report.style import BLUE, GREY, INK, ORANGE, PURPLE, figure, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from eznas.report.run_results import TaskResults


_ACROSS, _WIDE = 3, 5
"""Panels beside one another, and where there are more than two rows of them."""
_SIDE = 2.35
_PERCENT = ("top1", "acc")
_LONG = 14
"""Characters of a name that leave room for tau beside it."""
_FENCE = 3.0
"""Interquartile ranges below the first quartile beyond which accuracies are drawn at the lower edge."""


def scores_figure(task: TaskResults) -> Figure:
    """Plot accuracy against the rank of the score, one panel for the best program and each baseline.

    Args:
        task: A task with its scores.
    """
    plot, panels = _panels(len(task.scores), share=True)
    for panel, (name, scores) in zip(panels, task.scores.items(), strict=True):
        _draw(panel, name, scores, task.accuracies, task.target, ORANGE if name == "best" else BLUE)
    name, unit = task.target.partition(",")[0], " in percent" if in_percent(task.target) else ""
    plot.supylabel(f"{name}{unit}", fontsize=9, color=INK, parse_math=False)
    return plot


def best_scores_figure(tasks: Sequence[TaskResults]) -> Figure:
    """Plot accuracy against the rank of the best program's score, one panel for each task.

    Args:
        tasks: Tasks with their scores.
    """
    plot, panels = _panels(len(tasks), share=False)
    for panel, task in zip(panels, tasks, strict=True):
        colour = PURPLE if task.held_out else ORANGE
        _draw(panel, task.name, task.scores["best"], task.accuracies, task.target, colour)
    plot.supylabel("accuracy", fontsize=9, color=INK, parse_math=False)
    return plot


def _panels(count: int, *, share: bool) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, which share their axes or not."""
    across = min(count, _ACROSS if count <= 2 * _ACROSS else _WIDE)
    down = math.ceil(count / across)
    plot = figure(_SIDE * across + 0.4, _SIDE * down + 0.5)
    panels = list(plot.subplots(down, across, sharex=share, sharey=share, squeeze=False).ravel())
    for panel in panels[count:]:
        panel.set_visible(False)
    for panel in panels[count - across : count]:
        panel.tick_params(labelbottom=True)  # also above an empty place
    plot.supxlabel("rank of the score", fontsize=9, color=INK, parse_math=False)
    return plot, panels[:count]


def _draw(
    panel: Axes, name: str, scores: NDArray[np.float64], accuracies: NDArray[np.float64], target: str, colour: str
) -> None:
    plain(panel)
    finite = np.isfinite(scores)
    ranks, shown = rankdata(scores[finite]), accuracies[finite]
    floor = floor_of(accuracies)
    inside = shown >= floor
    panel.scatter(ranks[inside], shown[inside], s=9, color=colour, alpha=0.75, linewidths=0)
    panel.scatter(ranks[~inside], np.full((~inside).sum(), floor), s=14, marker="v", color=GREY, linewidths=0)
    tau = correlate(scores[finite], shown, resamples=0).tau
    between = "\n" if len(name) > _LONG else "   "
    if len(name) > 2 * _LONG:
        name = name.replace("/", "/\n", 1)
    panel.set_title(
        f"{name}{between}{f'τ = {tau:.3f}' if np.isfinite(tau) else 'no τ'}", fontsize=9, color=INK, parse_math=False
    )
    remarks = []
    if not inside.all():
        remarks.append(f"{(~inside).sum()} below {floor:.3g}{' %' if in_percent(target) else ''}")
    if not finite.all():
        remarks.append(f"{(~finite).sum()} without a score")
    panel.text(0.97, 0.09, "\n".join(remarks), transform=panel.transAxes, ha="right", fontsize=7, color=GREY)


def in_percent(target: str) -> bool:
    """Whether an accuracy is in percent, by its description: some tasks of TransNAS-Bench-101 have other metrics."""
    return METRICS.get(target.partition(" ")[0], _PERCENT[0]) in _PERCENT


def floor_of(accuracies: NDArray[np.float64]) -> float:
    """Return the lower end of the axis: a few untrainable networks must not flatten the rest."""
    low, high = np.percentile(accuracies, [25, 75])
    least = accuracies[accuracies >= low - _FENCE * (high - low)].min()
    return float(accuracies.min() if least == accuracies.min() else least - 0.08 * (accuracies.max() - least))
