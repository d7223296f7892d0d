"""Programs as Graphviz DOT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs.draw import COLOURS, boxes, label

if TYPE_CHECKING:
    from eznas.programs.tree import Node


def to_dot(node: Node) -> str:
    """Return the text of a DOT graph: a shared subexpression is one box, arrows run from argument to user."""
    number = {part: index for index, part in enumerate(boxes(node))}
    lines = ["digraph program {", "  rankdir=BT;", '  node [shape=box, style="rounded,filled", fontname="monospace"];']
    for part, index in number.items():
        lines.append(f'  n{index} [label="{label(part)}", fillcolor="{COLOURS[part.kind.floor]}"];')
        args = [number[arg] for arg in part.args if arg in number]
        for place, arg in enumerate(args, start=1):
            lines.append(f"  n{arg} -> n{index}{f' [headlabel={place}]' if len(args) > 1 else ''};")
    return "\n".join([*lines, "}", ""])
