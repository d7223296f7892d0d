"""The drawing of a unit on the page of the language, from the records of statistics."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from eznas.primitives import QUANTITIES, SCENARIOS, Kind

PICTURE = Path(__file__).parent / "images" / "unit.svg"

_COLOURS = {Kind.WEIGHT: "#b7791f", Kind.INPUT: "#2b6cb0", Kind.OUTPUT: "#4f8a2b", Kind.IMAGE: "#6b46c1"}
_PLACES = (70, 210, 390, 480, 570, 750)  # horizontal, by ``Quantity.place``
_OPERATIONS = ((300, "activation"), (480, "convolution"), (660, "normalisation"))
_LINE, _WIDTH = 120, 960


def picture() -> str:
    """Return the drawing of a unit and of the scenarios as SVG."""
    shapes = [_arrow(20, _LINE, _WIDTH - 95), _text(_WIDTH - 50, _LINE + 5, "logits", "#1a202c")]
    shapes += [_box(492, 112, 644, "", height=185, style='fill="none" stroke="#a0aec0" stroke-dasharray="4"')]
    shapes += [_text(205, 38, "one unit", "#4a5568")]
    for x, name in _OPERATIONS:
        shapes += [_box(x, _LINE, 110, name)]
    for quantity in QUANTITIES.values():
        x, colour = _PLACES[quantity.place], _COLOURS[quantity.kind]
        if quantity.kind is Kind.WEIGHT:
            y = 62 if not quantity.gradient_of else 190
        else:
            y = _LINE - 22 if not quantity.gradient_of else _LINE + 32
            shapes.append(f'<circle cx="{x}" cy="{_LINE}" r="4" fill="{colour}"/>')
        shapes.append(_text(x, y, quantity.name, colour))
    for row, scenario in enumerate(SCENARIOS.values()):
        y = 250 + 42 * row
        minus = f", minus the values on {SCENARIOS[scenario.minus].name}" if scenario.minus else ""
        shapes += [
            _text(20, y + 5, scenario.name, "#1a202c", anchor="start", weight="bold"),
            _text(110, y - 4, f"runs forward on {scenario.images}{minus}", "#2d3748", anchor="start"),
            _text(110, y + 14, f"runs backward from {scenario.objective}", "#4a5568", anchor="start"),
        ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 410"',
            '  font-family="sans-serif" font-size="13">',
            f'<rect width="{_WIDTH}" height="410" rx="8" fill="#ffffff"/>',
            *shapes,
            "</svg>",
            "",
        ]
    )


def _text(x: int, y: int, text: str, colour: str, *, anchor: str = "middle", weight: str = "normal") -> str:
    style = f'fill="{colour}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def _box(
    x: int, y: int, width: int, text: str, *, height: int = 34, style: str = 'fill="#edf2f7" stroke="#4a5568"'
) -> str:
    left, top = x - width // 2, y - height // 2
    box = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="5" {style}/>'
    return f"{box}\n{_text(x, y + 5, text, '#1a202c')}" if text else box


def _arrow(start: int, y: int, end: int) -> str:
    head = f'<path d="M {end} {y - 5} L {end + 9} {y} L {end} {y + 5} z" fill="#4a5568"/>'
    return f'<line x1="{start}" y1="{y}" x2="{end}" y2="{y}" stroke="#4a5568"/>\n{head}'
