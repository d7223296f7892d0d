"""The plot of a supernet's tau over its training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.report.style import BLUE, GREY, INK, ORANGE, figure, plain, png

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from eznas.run import RunDirectory

_COLOURS = {"accuracy": ORANGE, "loss": BLUE, "params": GREY}
_PANELS = {"tau": "all architectures", "tau_top_half": "better half by accuracy"}


def render_supernet(directory: RunDirectory) -> list[Path]:
    """Write ``supernet.png`` where architectures were compared with a table, and return the files that were written.

    Raises:
        InputError: The training is not finished.
    """
    results = directory.read_json("supernet.json")
    if not results["evaluations"]:
        return []
    directory.write_bytes("supernet.png", png(supernet_figure(results)))
    return [directory.path / "supernet.png"]


def supernet_figure(results: Mapping[str, Any]) -> Figure:
    """Plot tau against epochs, over all architectures and over the better half.

    Args:
        results: The content of ``supernet.json``, with an evaluation or more.
    """
    evaluations = results["evaluations"]
    epochs = [evaluation["epoch"] for evaluation in evaluations]
    plot = figure(7.2, 3.0)
    panels = plot.subplots(1, len(_PANELS), sharey=True)
    for axes, (figure_name, title) in zip(panels, _PANELS.items(), strict=True):
        plain(axes)
        axes.axhline(0, color=GREY, linewidth=0.8)
        for score, colour in _COLOURS.items():
            taus = [evaluation["taus"][score][figure_name] for evaluation in evaluations]
            values = [float("nan") if tau is None else tau for tau in taus]
            axes.plot(epochs, values, "o-", color=colour, markersize=4, label=score)
        axes.set_title(f"{results['facts']['method']}, {title}", fontsize=9, color=INK)
        axes.set_xticks(epochs)
        axes.set_xlabel("epochs of training", fontsize=9, color=INK)
    panels[0].set_ylabel("Kendall's tau with the table", fontsize=9, color=INK)
    panels[-1].legend(fontsize=8, frameon=False)
    return plot
