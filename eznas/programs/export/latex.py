"""Programs as LaTeX formulas."""

from __future__ import annotations

import re
from functools import cache

from eznas import primitives
from eznas.primitives import STATISTICS, Kind
from eznas.programs.tree import Node, postorder

__all__ = ["to_latex"]

_SYMBOLS = {
    "weight": "W",
    "input": "X",
    "conv_in": "Z",
    "conv_out": "Y",
    "norm_out": "A",
    "image": "I",
}
_PIECE = re.compile(r"(\{\{|\}\}|\{[0-9]\})")
_OPEN = re.compile(r"[({[]|\\l[vV]ert")
_CLOSE = re.compile(r"[)}\]]|\\r[vV]ert")


def to_latex(node: Node) -> str:
    r"""Return a program as a formula for math mode.

    Weights are ``W``, what enters the activation ``X``, the convolution ``Z``, what leaves it ``Y``, its normalisation
    ``A``, and the images ``I``. A gradient with respect to ``X`` is written ``\nabla_{X}``, the scenario as a
    superscript where it is not ``data``, and the difference under perturbation ``\Delta``.
    """
    made: dict[Node, str] = {}
    for one in postorder([node]):
        made[one] = _symbol(one) if not one.args else _filled(one, [made[arg] for arg in one.args])
    return made[node]


def _filled(node: Node, args: list[str]) -> str:
    """Fill the template, with parentheses where an argument would run into what stands beside it."""
    template = _record(node).latex
    bare, tight = _bare(template)
    written = []
    for piece in _PIECE.split(template):
        if piece in ("{{", "}}"):
            written.append(piece[0])
        elif _PIECE.fullmatch(piece):
            place = int(piece[1])
            arg = node.args[place]
            loose = bool(arg.args) and bool(_bare(_record(arg).latex)[0]) and not node.name == arg.name == "add"
            wrap = (place in bare and loose) or (place in tight and bool(arg.args))
            written.append(rf"\left({args[place]}\right)" if wrap else args[place])
        else:
            written.append(piece)
    return "".join(written)


@cache
def _bare(template: str) -> tuple[frozenset[int], frozenset[int]]:
    """Return the slots around which the template puts nothing, and those among them with an index or exponent."""
    depth = 0
    bare, tight = set(), set()
    pieces = _PIECE.split(template)
    for piece, after in zip(pieces, [*pieces[1:], ""], strict=True):
        if piece in ("{{", "}}"):
            depth += 1 if piece == "{{" else -1
        elif _PIECE.fullmatch(piece):
            bare |= {int(piece[1])} if depth == 0 else set()
            tight |= {int(piece[1])} if depth == 0 and after.startswith(("_", "^")) else set()
        else:
            depth += len(_OPEN.findall(piece)) - len(_CLOSE.findall(piece))
    return frozenset(bare), frozenset(tight)


def _record(node: Node) -> primitives.Primitive:
    return primitives.resolve(node.name, [arg.kind for arg in node.args])[0]


def _symbol(node: Node) -> str:
    if node.kind is Kind.LITERAL:
        return _number(node.name)
    statistic = STATISTICS[node.name]
    name = statistic.quantity.removesuffix("_grad")
    symbol = _SYMBOLS.get(name, rf"\mathrm{{{name.replace('_', '-')}}}")
    symbol = rf"\nabla_{{{symbol}}}" if statistic.is_gradient else symbol
    if statistic.scenario == "perturbed":
        return rf"{{\Delta {symbol}}}"
    if statistic.scenario in ("", "data"):
        return symbol
    return rf"{{{symbol}^{{\mathrm{{{statistic.scenario}}}}}}}"  # braces, so that it may be squared


def _number(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"
