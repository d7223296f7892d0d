"""Programs as pictures and graphs: a shared subexpression is one box, the three floors are three bands."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.files import replace_file
from eznas.primitives import Floor, Kind
from eznas.programs.graph_layout import layered_layout
from eznas.programs.tree import Node, postorder

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.axes import Axes


COLOURS = {Floor.TENSOR: "#cfe3f5", Floor.UNIT: "#d8eccb", Floor.NETWORK: "#fbdfb8"}
"""The colour of each floor's boxes."""

_INKS = {Floor.TENSOR: "#2b6cb0", Floor.UNIT: "#4f8a2b", Floor.NETWORK: "#b7791f"}
_TITLES = {Floor.TENSOR: "tensors of a unit", Floor.UNIT: "numbers of a unit", Floor.NETWORK: "numbers of the network"}
_FLOORS = list(Floor)
_LARGEST = 400
_CHARACTER = 0.085  # inches, in the font of the labels
_ROW = 0.72
_HEIGHT = 0.34
_MARGIN = 0.3
_TITLE = 1.5


def boxes(node: Node) -> list[Node]:
    """Return the distinct nodes of a program, arguments first; literals are part of the node that uses them."""
    return [part for part in postorder([node]) if part.kind is not Kind.LITERAL or part is node]


def label(node: Node) -> str:
    """Return a node's name, with its literal argument if it has one."""
    return " ".join([node.name, *[arg.name for arg in node.args if arg.kind is Kind.LITERAL]])


def to_networkx(node: Node) -> nx.DiGraph[int]:
    """Return the program as a directed acyclic graph whose edges run from argument to user.

    Nodes are numbers in evaluation order, the root last, with the attributes ``label``, ``floor`` (``"tensor"``,
    ``"unit"`` or ``"network"``), ``kind`` and ``text``; edges have ``places``, the argument places that they fill.
    """
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    number = {part: index for index, part in enumerate(boxes(node))}
    for part, index in number.items():
        graph.add_node(index, label=label(part), floor=part.kind.floor.value, kind=part.kind.value, text=part.text)
        for arg in dict.fromkeys(part.args):
            if arg in number:
                places = tuple(place for place, other in enumerate(part.args) if other is arg)
                graph.add_edge(number[arg], index, places=places)
    return graph


def draw(node: Node, path: Path | str) -> None:
    """Draw a program as a picture in the format that the path's suffix names: ``.png`` where there is none.

    Raises:
        InputError: It has too many distinct nodes for a picture.
    """
    from matplotlib.figure import Figure

    shown = boxes(node)
    if len(shown) > _LARGEST:
        raise InputError(f"a picture shows at most {_LARGEST} distinct nodes, got {len(shown)}; use to_dot instead")
    number = {part: index for index, part in enumerate(shown)}
    widths = [_CHARACTER * len(label(part)) + 0.22 for part in shown]
    layout = layered_layout(
        [[number[arg] for arg in part.args if arg in number] for part in shown],
        [_FLOORS.index(part.kind.floor) for part in shown],
        [width + 0.22 for width in widths],
    )
    left = min(x - width / 2 for x, width in zip(layout.x, widths, strict=True)) - _TITLE
    right = max(x + width / 2 for x, width in zip(layout.x, widths, strict=True)) + _MARGIN
    height = (max(layout.layer) + 1) * _ROW
    figure = Figure(figsize=(right - left, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(-_ROW / 2, height - _ROW / 2))
    axes.set_axis_off()
    _draw_bands(axes, shown, layout.layer, left)
    for above, part in enumerate(shown):
        args = sorted({number[arg] for arg in part.args if arg in number}, key=lambda arg: layout.x[arg])
        for place, arg in enumerate(args):
            entry = layout.x[above] + (place - (len(args) - 1) / 2) * min(0.2, widths[above] / len(args))
            _draw_arrow(axes, layout.routes[above, arg], entry, _INKS[part.kind.floor])
            if len(args) > 1 and not part.primitive.commutative:
                order = 1 + part.args.index(shown[arg])
                low = layout.layer[above] * _ROW - _HEIGHT / 2
                side = -1 if place == 0 else 1
                axes.text(
                    entry + 0.06 * side, low - 0.02, str(order), fontsize=6, va="top", ha="center", color="#4a5568"
                )
    for part, x, layer, width in zip(shown, layout.x, layout.layer, widths, strict=True):
        _draw_box(axes, part, x, layer * _ROW, width)
    picture = io.BytesIO()
    figure.savefig(picture, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    replace_file(Path(path), picture.getvalue())


def _draw_bands(axes: Axes, shown: list[Node], layers: tuple[int, ...], left: float) -> None:
    """Colour the background of each floor and write its name at the left."""
    for floor in _FLOORS:
        own = [layer for part, layer in zip(shown, layers, strict=True) if part.kind.floor is floor]
        if own:
            low, high = (min(own) - 0.5) * _ROW, (max(own) + 0.5) * _ROW
            axes.axhspan(low, high, color=COLOURS[floor], alpha=0.35, linewidth=0)
            axes.text(left + 0.08, high - 0.06, _TITLES[floor], color=_INKS[floor], fontsize=7, va="top")


def _draw_arrow(axes: Axes, route: list[tuple[float, int]], entry: float, colour: str) -> None:
    """Draw a smooth way up through the places of a route, into the lower edge of the box above at ``entry``."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    points = [(x, layer * _ROW) for x, layer in reversed(route)]
    points[0] = (points[0][0], points[0][1] + _HEIGHT / 2)
    points[-1] = (entry, points[-1][1] - _HEIGHT / 2)
    vertices, codes = [points[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(
        FancyArrowPatch(
            path=Curve(vertices, codes),
            arrowstyle="-|>",
            mutation_scale=7,
            color=colour,
            linewidth=0.9,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _draw_box(axes: Axes, node: Node, x: float, y: float, width: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    floor = node.kind.floor
    round_corners = "round,pad=0,rounding_size=0.08" if node.args else "square,pad=0"
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - _HEIGHT / 2),
            width,
            _HEIGHT,
            boxstyle=round_corners,
            facecolor=COLOURS[floor],
            edgecolor=_INKS[floor],
            linewidth=1,
            zorder=3,
        )
    )
    axes.text(x, y, label(node), ha="center", va="center", fontsize=9, family="monospace", color="#1a202c", zorder=4)
