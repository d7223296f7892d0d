"""Plot of scores against accuracies on the test networks: the best program beside the baselines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from eznas.benchmarks.convert.transnas import METRICS
from eznas.ranking import correlate
from eznas.report.style import BLUE, GREY, INK, ORANGE, figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


_ACROSS = 3
_SIDE = 2.35
_PERCENT = ("top1", "acc")
_FENCE = 3.0
"""Interquartile ranges below the first quartile beyond which accuracies are drawn at the lower edge."""


def scores_figure(rows: Sequence[Mapping[str, str]], target: str) -> Figure:
    """Plot accuracy against the rank of the score, one panel for each proxy, with tau in its title.

    Args:
        rows: The rows of ``test_scores.csv``: architecture, accuracy, then a column a proxy, the best first.
        target: Description of the accuracy.
    """
    names = [name for name in rows[0] if name not in ("architecture", "accuracy")]
    accuracies = np.array([float(row["accuracy"]) for row in rows])
    down = math.ceil(len(names) / _ACROSS)
    plot = figure(_SIDE * min(_ACROSS, len(names)) + 0.4, _SIDE * down + 0.5)
    panels = plot.subplots(down, min(_ACROSS, len(names)), sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        scores = np.array([float(row[name]) if row[name] else np.nan for row in rows])
        _draw(panel, name, scores, accuracies, ORANGE if name == names[0] else BLUE)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel in panels[len(names) - _ACROSS : len(names)]:
        panel.tick_params(labelbottom=True)  # also above an empty place
    plot.supxlabel("rank of the score", fontsize=9, color=INK)
    name, unit = target.partition(",")[0], " in percent" if in_percent(target) else ""
    plot.supylabel(f"{name}{unit}", fontsize=9, color=INK)
    return plot


def _draw(panel: Axes, name: str, scores: NDArray[np.float64], accuracies: NDArray[np.float64], colour: str) -> None:
    plain(panel)
    finite = np.isfinite(scores)
    ranks, shown = rankdata(scores[finite]), accuracies[finite]
    floor = floor_of(accuracies)
    inside = shown >= floor
    panel.scatter(ranks[inside], shown[inside], s=9, color=colour, alpha=0.75, linewidths=0)
    panel.scatter(ranks[~inside], np.full((~inside).sum(), floor), s=14, marker="v", color=GREY, linewidths=0)
    tau = correlate(scores[finite], shown, resamples=0).tau
    panel.set_title(f"{name}   τ = {tau:.3f}" if np.isfinite(tau) else f"{name}   no τ", fontsize=9, color=INK)
    remarks = []
    if not inside.all():
        remarks.append(f"{(~inside).sum()} below {floor:.0f} %")
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
