"""The style of all plots."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


BLUE = "#0072B2"
ORANGE = "#D55E00"
PURPLE = "#AA4499"
GREY = "#7A7A7A"
INK = "#222222"
"""Blue and vermilion of the Okabe-Ito palette and purple of Tol's, which the colour-blind tell apart; grey, black."""

COLOURS = (ORANGE, BLUE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", PURPLE, INK, GREY)
"""Colours of lines and bars, in the order in which a plot takes them."""

_DPI = 200


class _Plot(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self)


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches, outside of pyplot's state."""
    plot = _Plot(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(plot)
    return plot


def plain(axes: Axes) -> None:
    """Leave the left and bottom axis and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(visible=True, color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)


def png(plot: Figure, dpi: int = _DPI) -> bytes:
    """Return the figure as a PNG with so many pixels an inch."""
    buffer = io.BytesIO()
    plot.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
