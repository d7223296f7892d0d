"""A plot of the terms of a long sum, whose drawing as a tree would be too wide to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import parse
from eznas.programs.ablate import FEW_TERMS
from eznas.programs.sums import terms_of_sum, weighted_term
from eznas.report.run_tables import ablation_losses
from eznas.report.style import BLUE, ORANGE, figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from eznas.programs import Node
    from eznas.report.run_results import RunResults

_SHOWN = 20
_CHARACTERS = 70
_ROW = 0.24  # inches


def has_terms(run: RunResults) -> bool:
    """Whether the best program is a long weighted sum, and the tau without some of its terms is known."""
    terms = terms_of_sum(parse(run.best["program"]))
    weighted = len(terms) > FEW_TERMS and all(map(weighted_term, terms))
    return weighted and any(loss is not None for _, loss in ablation_losses(run))


def terms_figure(run: RunResults) -> Figure:
    """Plot the tau that the best program loses on the test networks without each term, for the terms that cost most."""
    parts = [(entry["without"], loss) for entry, loss in ablation_losses(run) if loss is not None][:_SHOWN]
    terms = [term for text, _ in parts if (term := weighted_term(parse(text))) is not None]
    plot = figure(9, 1 + _ROW * len(parts))
    axes = plot.subplots()
    for sign, colour, name in ((1, BLUE, "positive weight"), (-1, ORANGE, "negative weight")):
        places = [place for place, (_, weight) in enumerate(terms) if weight * sign > 0]
        axes.barh(places, [parts[place][1] for place in places], color=colour, label=name)
    axes.set_yticks(range(len(parts)), [_label(function) for function, _ in terms], family="monospace")
    axes.invert_yaxis()
    axes.set_xlabel("tau lost on the test networks without the term")
    axes.set_title(f"{len(parts)} of {len(run.summary['ablation'])} terms of the best program", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    plain(axes)
    axes.tick_params(axis="y", labelsize=7)
    return plot


def _label(function: Node) -> str:
    return function.text if len(function.text) <= _CHARACTERS else f"{function.text[: _CHARACTERS - 3]}..."
