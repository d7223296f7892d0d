"""From columns of scores to measures that networks can be scored with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures import MEASURES
from eznas.programs import apply, leaf, postorder

if TYPE_CHECKING:
    from eznas.programs import Node


_PREFIX = "score."
_OTHER_NAMES = {"nwot": "naswot", "jacov": "jacob_cov"}
"""Measures by their names in NAS-Bench-Suite-Zero, where these differ."""


def with_measures(program: Node) -> tuple[Node, tuple[str, ...]]:
    """Return a program that reads ``measure.X`` in place of ``score.X``, and the columns without such a measure.

    A score file may have other units than the measure, such as millions of parameters, or other conditions. The
    program ranks alike only where the scale of the column does not matter or is the same.

    Args:
        program: A program over columns of scores.
    """
    replaced: dict[Node, Node] = {}
    missing = []
    for node in postorder([program]):
        replaced[node] = node
        if node.args:
            replaced[node] = apply(node.name, *[replaced.get(arg, arg) for arg in node.args])
        elif node.name.startswith(_PREFIX):
            column = node.name.removeprefix(_PREFIX)
            measure = _OTHER_NAMES.get(column, column)
            if measure in MEASURES:
                replaced[node] = leaf(f"measure.{measure}")
            else:
                missing.append(column)
    return replaced[program], tuple(missing)
