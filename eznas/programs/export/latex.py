"""Programs as LaTeX formulas."""

from __future__ import annotations

import re
from functools import cache

from eznas.primitives import STATISTICS, Kind
from eznas.programs.tree import Node, is_network_leaf, postorder

_PIECE = re.compile(r"(\{\{|\}\}|\{[0-9]\})")
_OPENING = re.compile(r"(^|[([,<>=]|\{\{|\\l[vV]ert)\s*$")
_CLOSING = re.compile(r"\s*($|[)\],<>=]|\}\}|\\right|\\r[vV]ert|\\,)")
_GROUP = re.compile(r"\{[^{}]*\}|\([^()]*\)|\[[^][]*\]|\\lvert.*?\\rvert|\\lVert.*?\\rVert")

_ANY, _TERM, _FACTOR, _SYMBOL = range(4)
"""How tightly a formula binds: sums, and formulas that end in an argument; products and powers; one group, such as a
fraction or a function with its brackets; one symbol."""

_CLOSED = re.compile(r"((\\?[A-Za-z]+(_@|_\w)?)*@?|\\[a-z]+@@)(_@|_[\w*])?|e\^@")
"""Templates of one group, each pair of brackets in them written as ``@``."""


def to_latex(node: Node) -> str:
    r"""Return a program as a formula for math mode.

    Weights are ``W``, inputs of the activation ``X`` and of the convolution ``Z``, outputs of the convolution ``Y`` and
    of the normalisation ``A``, images ``I``. A gradient with respect to ``X`` is written ``\nabla_{X}``, the scenario
    as a superscript where it is not ``data``, and the difference under perturbation ``\Delta``. Leaves of the network
    floor are written ``\operatorname{synflow}``.
    """
    formulas: dict[Node, str] = {}
    for part in postorder([node]):
        if part.args:
            formulas[part] = _filled(part, [formulas[arg] for arg in part.args])
        else:
            formulas[part] = _leaf(part)
    return formulas[node]


def _leaf(node: Node) -> str:
    if node.kind is Kind.LITERAL:
        return _number(node.name)
    if is_network_leaf(node):
        return rf"\operatorname{{{node.name.partition('.')[2]}}}".replace("_", r"\_")
    return STATISTICS[node.name].latex


def _filled(node: Node, args: list[str]) -> str:
    """Fill the template, with parentheses around arguments that bind less tightly than their slots demand."""
    written = []
    for piece, demand in _pieces(node.primitive.latex):
        if not _PIECE.fullmatch(piece):
            written.append(piece)
        elif piece in ("{{", "}}"):
            written.append(piece[0])
        else:
            place = int(piece[1])
            arg = node.args[place]
            level = _level(arg.primitive.latex) if arg.args else _SYMBOL
            chained = arg.args and arg.primitive is node.primitive and arg.primitive.commutative  # x + y + z
            wrap = level < demand and not chained
            written.append(rf"\left({args[place]}\right)" if wrap else args[place])
    return "".join(written)


@cache
def _pieces(template: str) -> tuple[tuple[str, int], ...]:
    """Split a template into pieces, each with the level that its neighbours demand of an argument there."""
    pieces, start = [], 0
    for piece in _PIECE.split(template):
        before, after = template[:start], template[start + len(piece) :]
        start += len(piece)
        if after.startswith(("^", "_")):
            demand = _SYMBOL
        elif _OPENING.search(before) and _CLOSING.match(after):
            demand = _ANY
        elif re.search(rf"{_OPENING.pattern}|\+\s*$", before) and re.match(rf"{_CLOSING.pattern}|\s*[+-]", after):
            demand = _TERM
        else:
            demand = _FACTOR
        pieces.append((piece, demand))
    return tuple(pieces)


@cache
def _level(template: str) -> int:
    """Return how tightly a formula of this template binds."""
    text = re.sub(r"\\(left|right|middle)(?![a-z])", "", template.format(*"####"))
    while text != (shorter := _GROUP.sub("@", text)):
        text = shorter
    if _CLOSED.fullmatch(text):
        return _FACTOR
    return _ANY if text.endswith("#") or re.search(r"[+-]", text) else _TERM


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"
