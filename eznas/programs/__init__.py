"""Programs: typed expression trees over the statistics of a network, and what can be done with them.

Start reading at ``tree`` (what a program is), then ``evaluate`` (its tensor floor, on one network) and ``upper`` (its
unit and network floors, on many networks at once).
"""

from eznas.programs.complexity import complexity, cost
from eznas.programs.constant import is_constant
from eznas.programs.draw import draw, to_networkx
from eznas.programs.network_scores import evaluate
from eznas.programs.parse import ProgramError, parse
from eznas.programs.parts import in_parts, left_of
from eznas.programs.plan import Trace
from eznas.programs.simplify import canonical, simplify_exact, simplify_rank
from eznas.programs.tensor_floor import evaluate_reductions, evaluate_together, reductions, statistics
from eznas.programs.tree import Node, apply, leaf, literal, postorder, preorder, replace
from eznas.programs.upper_floors import Layout, Ragged, evaluate_upper

__all__ = [
    "Layout",
    "Node",
    "ProgramError",
    "Ragged",
    "Trace",
    "apply",
    "canonical",
    "complexity",
    "cost",
    "draw",
    "evaluate",
    "evaluate_reductions",
    "evaluate_together",
    "evaluate_upper",
    "in_parts",
    "is_constant",
    "leaf",
    "left_of",
    "literal",
    "parse",
    "postorder",
    "preorder",
    "reductions",
    "replace",
    "simplify_exact",
    "simplify_rank",
    "statistics",
    "to_networkx",
]
