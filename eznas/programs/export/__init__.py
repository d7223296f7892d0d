"""Programs in other forms: a standalone Python file, LaTeX and Graphviz DOT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.programs.export.dot import to_dot
from eznas.programs.export.latex import to_latex
from eznas.programs.export.python import to_python

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.programs.tree import Node

__all__ = ["export", "to_dot", "to_latex", "to_python"]


def export(program: Node, form: str, name: str, provenance: Mapping[str, Any], noise_seed: int) -> str:
    """Return a program as ``"python"``, ``"latex"``, ``"dot"`` or ``"text"``; see ``to_python`` for the others.

    Raises:
        InputError: There is no such format.
    """
    if form == "python":
        return to_python(program, name=name, provenance=provenance, noise_seed=noise_seed)
    if form == "latex":
        return to_latex(program)
    if form not in ("dot", "text"):
        raise InputError(f"format must be 'python', 'latex', 'dot' or 'text', got {form!r}", parameters=("format",))
    return to_dot(program) if form == "dot" else program.text
