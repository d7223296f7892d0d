"""Programs in other forms: a standalone Python file, LaTeX and Graphviz DOT."""

from eznas.programs.export.dot import to_dot
from eznas.programs.export.latex import to_latex
from eznas.programs.export.python import to_python

__all__ = ["to_dot", "to_latex", "to_python"]
