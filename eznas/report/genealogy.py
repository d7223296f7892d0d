"""The genealogy of the best program: a drawing of its nearest ancestors, and a table of all of them."""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING, Any

from eznas.programs.graph_layout import layered_layout
from eznas.report.html import cell, html_table
from eznas.report.page import code, details, wide
from eznas.report.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = 24
"""Programs in the drawing."""
_WIDTH, _HEIGHT, _ROW, _GAP = 236, 46, 82, 16
_CHARACTERS = 34


def genealogy_html(births: Mapping[str, Mapping[str, Any]], best: str) -> str:
    """Return the drawing and the table; nothing without a birth.

    Args:
        births: For each program's text ``operator``, ``parents``, ``generation`` and ``tau_train``; ancestors come
            after the programs that they are ancestors of.
        best: The text of the best program. If there is no birth of it, as its text was simplified, the first one
            stands for it.
    """
    if not births:
        return ""
    root = best if best in births else next(iter(births))
    rows = [
        [birth["generation"], birth["operator"], birth["tau_train"], len(birth["parents"]), code(text)]
        for text, birth in sorted(births.items(), key=lambda item: -item[1]["generation"])
    ]
    table = html_table(["generation", "operator", "training tau", "parents", "program"], rows)
    return drawing(births, root) + details(f"All {len(rows)} programs of the genealogy", wide(table))


def drawing(births: Mapping[str, Mapping[str, Any]], root: str) -> str:
    """Return an SVG of a program and its nearest ancestors, the parents of each below it.

    Args:
        births: See ``genealogy_html``.
        root: The program at the top.
    """
    shown = _nearest(births, root)
    places = {text: place for place, text in enumerate(shown)}
    below = [
        [places[parent] for parent in births[text]["parents"] if places.get(parent, place) < place]
        for place, text in enumerate(shown)
    ]
    layout = layered_layout(below, [0] * len(shown), [_WIDTH + _GAP] * len(shown))
    centres = [*layout.x, *(x for route in layout.routes.values() for x, _ in route)]
    left, right = min(centres) - _WIDTH / 2, max(centres) + _WIDTH / 2
    top = max(layout.layer)
    width, height = right - left + 4, top * _ROW + _HEIGHT + 4

    def at(x: float, layer: int) -> tuple[float, float]:
        return x - left + 2, (top - layer) * _ROW + 2

    lines = [
        _line([at(x, layer) for x, layer in route], ORANGE if above == places[root] else GREY)
        for (above, _), route in sorted(layout.routes.items())
    ]
    boxes = [
        _box(text, births[text], *at(layout.x[place], layout.layer[place]), best=text == root)
        for text, place in places.items()
    ]
    hidden = len(births) - len(shown)
    more = f'<p class="note">{hidden} more ancestors are not drawn.</p>' if hidden else ""
    return (
        f'<div class="wide"><svg role="img" aria-label="genealogy" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" style="max-width: none" '
        f'font-family="system-ui, sans-serif">{"".join(lines)}{"".join(boxes)}</svg></div>{more}'
    )


def _nearest(births: Mapping[str, Mapping[str, Any]], root: str) -> list[str]:
    """Return a program and its nearest ancestors, parents before their children."""
    found = [root]
    for text in found:
        for parent in births[text]["parents"]:
            if len(found) < _MOST and parent in births and parent not in found:
                found.append(parent)
    ordered: list[str] = []
    opened: set[str] = set()
    stack = [(root, False)]
    while stack:
        text, ready = stack.pop()
        if ready:
            ordered.append(text)
        elif text not in opened:
            opened.add(text)
            stack.append((text, True))
            stack += [(parent, False) for parent in births[text]["parents"] if parent in found]
    return ordered


def _line(points: list[tuple[float, float]], colour: str) -> str:
    """Return a curve from the box at the first point to the one at the last, straight through the layers between."""
    path = ""
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        begin = y + _HEIGHT
        middle = (begin + to_y) / 2
        path += f"{'L' if path else 'M'}{x:.1f} {begin:.1f}"
        path += f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>'


def _box(text: str, birth: Mapping[str, Any], x: float, y: float, *, best: bool) -> str:
    shown = text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 2]}.."
    head = f"gen. {birth['generation']}, {birth['operator']}"
    stroke = ORANGE if best else BLUE
    return (
        f"<g><title>{html.escape(text)}</title>"
        f'<rect x="{x - _WIDTH / 2:.1f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="#fff" '
        f'stroke="{stroke}" stroke-width="{2 if best else 1}"/>'
        f'<text x="{x - _WIDTH / 2 + 8:.1f}" y="{y + 17:.1f}" font-size="11" fill="{GREY}">{html.escape(head)}</text>'
        f'<text x="{x + _WIDTH / 2 - 8:.1f}" y="{y + 17:.1f}" font-size="11" font-weight="600" fill="{INK}" '
        f'text-anchor="end">{html.escape(cell(birth["tau_train"]))}</text>'
        f'<text x="{x - _WIDTH / 2 + 8:.1f}" y="{y + 36:.1f}" font-size="10.5" fill="{INK}" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace">{html.escape(shown)}</text></g>'
    )
