"""Programs in other forms: a standalone Python file, LaTeX, Graphviz DOT and plain text."""

from eznas.programs.export.dot import to_dot
from eznas.programs.export.latex import to_latex
from eznas.programs.export.python import to_python
from eznas.programs.export.text import to_text

__all__ = ["to_dot", "to_latex", "to_python", "to_text"]
