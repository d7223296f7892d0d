"""A plot of the terms of a long sum, whose drawing as a tree would be too wide to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import parse
from eznas.report.run_tables import ablation_losses
from eznas.report.style import BLUE, ORANGE, figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.report.run_results import RunResults

_SHOWN = 20
_CHARACTERS = 70
_ROW = 0.24  # inches
_SCALE, _CLAMPS = "scale", ("clamp_min", "clamp_max")


def terms_figure(run: RunResults) -> Figure:
    """Plot the tau that the best program loses on the test networks without each term, for the terms that cost most."""
    parts = [(entry["without"], loss) for entry, loss in ablation_losses(run) if loss is not None][:_SHOWN]
    labels, signs = zip(*(_label(text) for text, _ in parts), strict=True)
    plot = figure(9, 1 + _ROW * len(parts))
    axes = plot.subplots()
    for sign, colour, name in ((1, BLUE, "positive weight"), (-1, ORANGE, "negative weight")):
        places = [place for place, own in enumerate(signs) if own == sign]
        axes.barh(places, [parts[place][1] for place in places], color=colour, label=name)
    axes.set_yticks(range(len(parts)), labels, family="monospace")
    axes.invert_yaxis()
    axes.set_xlabel("tau lost on the test networks without the term")
    axes.set_title(f"{len(parts)} of {len(run.summary['ablation'])} terms of the best program", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    plain(axes)
    axes.tick_params(axis="y", labelsize=7)
    return plot


def _label(text: str) -> tuple[str, int]:
    """Return a term without its weight and bounds, shortened, and the sign of the weight."""
    term, sign = parse(text), 1
    if term.name == _SCALE:
        term, sign = term.args[0], -1 if float(term.args[1].name) < 0 else 1
    while term.name in _CLAMPS:
        term = term.args[0]
    shown = term.text.replace("relu(", "(")
    return shown if len(shown) <= _CHARACTERS else f"{shown[: _CHARACTERS - 3]}...", sign
