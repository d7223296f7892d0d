"""Programs as the text that ``eznas.programs.parse`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eznas.programs.tree import Node

__all__ = ["to_text"]


def to_text(node: Node) -> str:
    """Return the canonical text: ``parse(to_text(node), node.kind) is node``."""
    return node.text
