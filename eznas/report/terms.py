"""A plot of the terms of a long sum, whose drawing as a tree would be too wide to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import parse
from eznas.programs.ablate import FEW_TERMS, terms_of_sum
from eznas.report.run_tables import ablation_losses
from eznas.report.style import BLUE, ORANGE, figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.report.run_results import RunResults

_SHOWN = 20
_CHARACTERS = 70
_ROW = 0.24  # inches
_SCALE, _CLAMPS, _GUARDED = "scale", ("clamp_min", "clamp_max"), ("sqrt", "power", "log1p")


def has_terms(run: RunResults) -> bool:
    """Whether the best program is a long weighted sum, and the tau without some of its terms is known."""
    terms = terms_of_sum(parse(run.best["program"]))
    weighted = len(terms) > FEW_TERMS and all(term.name == _SCALE for term in terms)
    return weighted and any(loss is not None for _, loss in ablation_losses(run))


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
    term, weight = parse(text).args
    sign = -1 if float(weight.name) < 0 else 1
    while term.name in _CLAMPS:
        term = term.args[0]
    shown = term.text
    if term.name in _GUARDED and term.args[0].name == "relu":  # a guard against rounding
        shown = shown.replace(term.args[0].text, term.args[0].args[0].text)
    return shown if len(shown) <= _CHARACTERS else f"{shown[: _CHARACTERS - 3]}...", sign
