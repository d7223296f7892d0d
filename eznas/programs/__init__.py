"""Programs: typed expression trees over the statistics of a network.

Start reading at ``tree``, the definition of a program, then ``tensor_floor``, which evaluates reductions on the units
of networks, and ``upper_floors``, which evaluates the rest on many networks at once.
"""

from eznas.programs.constant import is_constant
from eznas.programs.costs import cost
from eznas.programs.draw import draw, to_networkx
from eznas.programs.memory import BoundedReductions, fits, memory_left
from eznas.programs.network_scores import evaluate, refused_programs
from eznas.programs.parse import ProgramError, parse
from eznas.programs.plan import Trace
from eznas.programs.simplify import canonical, simplify_exact, simplify_rank
from eznas.programs.tensor_floor import evaluate_captures, evaluate_reductions, reductions, statistics
from eznas.programs.tree import (
    Node,
    apply,
    is_network_leaf,
    leaf,
    literal,
    network_leaves,
    postorder,
    preorder,
    replace,
)
from eznas.programs.upper_floors import Layout, Ragged, evaluate_upper

__all__ = [
    "BoundedReductions",
    "Layout",
    "Node",
    "ProgramError",
    "Ragged",
    "Trace",
    "apply",
    "canonical",
    "cost",
    "draw",
    "evaluate",
    "evaluate_captures",
    "evaluate_reductions",
    "evaluate_upper",
    "fits",
    "is_constant",
    "is_network_leaf",
    "leaf",
    "literal",
    "memory_left",
    "network_leaves",
    "parse",
    "postorder",
    "preorder",
    "reductions",
    "refused_programs",
    "replace",
    "simplify_exact",
    "simplify_rank",
    "statistics",
    "to_networkx",
]
