"""The rules of exact simplification, as pairs of patterns.

A pattern is a program whose leaves are the variables ``x`` and ``y``, which stand for any subtree, or numbers; a
variable that comes twice stands for the same subtree. The right side is one primitive over variables, or a variable,
and never larger than the left. Rules hold to the bit for every value, NaN, infinities and the signs of zeros included,
as the tests check for every rule and all kinds; so ``sqrt(square(x))`` is not ``abs(x)``: the square may overflow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.primitives import Kind, KindError
from eznas.programs.tree import Node, apply, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["BY_NAME", "RULES", "Pattern", "Rule", "is_nonnegative"]


@dataclass(frozen=True)
class Pattern:
    """One side of a rule.

    Args:
        name: A primitive, a variable or a number.
        args: Patterns of the arguments.
    """

    name: str
    args: tuple[Pattern, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern such as ``"add(x, neg(y))"``."""
        stack: list[list[Pattern]] = [[]]
        names: list[str] = []
        for name, mark in re.findall(r"([a-z_0-9.-]+\(?)|(\))", text):
            if name.endswith("("):
                names.append(name[:-1])
                stack.append([])
            elif mark:
                made = cls(names.pop(), tuple(stack.pop()))
                stack[-1].append(made)
            else:
                stack[-1].append(cls(name))
        return stack[0][0]

    def match(self, node: Node, bound: dict[str, Node]) -> bool:
        """Whether a node has this form; fills ``bound`` with what the variables stand for."""
        if self.name in ("x", "y"):
            return bound.setdefault(self.name, node) is node
        if self.name != node.name or len(self.args) != len(node.args):
            return False
        return all(pattern.match(arg, bound) for pattern, arg in zip(self.args, node.args, strict=True))

    def build(self, bound: Mapping[str, Node]) -> Node:
        """Return the node of this form.

        Raises:
            KindError: There is no such primitive for the kinds of the variables.
        """
        if self.name in bound:
            return bound[self.name]
        if not self.args:
            return literal(float(self.name))
        return apply(self.name, *[arg.build(bound) for arg in self.args])


@dataclass(frozen=True)
class Rule:
    """One rewriting.

    Args:
        left: What is replaced.
        right: By what.
        nonnegative: Whether it holds only where ``x`` cannot be negative.
    """

    left: Pattern
    right: Pattern
    nonnegative: bool = False

    def rewrite(self, node: Node, nonnegative: Mapping[Node, bool]) -> Node | None:
        """Return what replaces a node, or None where the rule does not apply.

        Args:
            node: The node.
            nonnegative: What ``is_nonnegative`` says of the nodes below it.
        """
        bound: dict[str, Node] = {}
        if not self.left.match(node, bound) or (self.nonnegative and not nonnegative[bound["x"]]):
            return None
        try:
            new = self.right.build(bound)
        except KindError:  # the right side is not defined on this floor
            return None
        return new if new.kind is node.kind else None


def _rules(lines: Iterable[str], *, nonnegative: bool = False) -> list[Rule]:
    sides = [[Pattern.parse(side) for side in line.split(" = ")] for line in lines]
    return [Rule(left, right, nonnegative) for left, right in sides]


def _inside(outers: str, inners: str) -> list[str]:
    """Return rules that drop an inner function of which the outer one does not see anything."""
    return [f"{outer}({inner}(x)) = {outer}(x)" for outer in outers.split() for inner in inners.split()]


_AXES = ("samples", "filters", "channels", "space")
_KEEP_SHAPE = (
    "abs neg square sqrt reciprocal exp log safe_log abs_log log1p relu sigmoid sign heaviside gt0 lt0 "
    "normalize softmax"
)

RULES: tuple[Rule, ...] = (
    *_rules(
        [
            # signs
            "neg(neg(x)) = x",
            *_inside("abs square abs_log", "abs neg"),
            *_inside("l1 sum_abs mean_square frobenius_norm entropy sparsity l2_norm", "abs neg"),
            *_inside("nuclear_norm spectral_norm effective_rank stable_rank variance std gram", "neg"),
            "lp_norm(abs(x), y) = lp_norm(x, y)",
            "lp_norm(neg(x), y) = lp_norm(x, y)",
            "add(x, neg(y)) = sub(x, y)",
            "add(neg(x), y) = sub(y, x)",
            "sub(x, neg(y)) = add(x, y)",
            "mul(neg(x), neg(y)) = mul(x, y)",
            "div(neg(x), neg(y)) = div(x, y)",
            # what is done already
            "sign(sign(x)) = sign(x)",
            "sign(gt0(x)) = gt0(x)",
            "maximum(x, x) = x",
            "minimum(x, x) = x",
            *[f"max_over_{a}({f}_over_{a}(x)) = {f}_over_{a}(x)" for a in _AXES for f in ("mean", "sum", "max")],
            *[
                f"{g}_over_{a}({f}_over_{a}(x)) = {f}_over_{a}(x)"
                for a in _AXES
                for f in ("std", "l2")
                for g in ("mean", "sum", "max")
            ],
            # which entries are above 0
            "heaviside(x) = gt0(x)",
            "gt0(neg(x)) = lt0(x)",
            "lt0(neg(x)) = gt0(x)",
            *_inside("gt0 count_positive fraction_positive sign_kernel", "relu sign gt0"),
            "lt0(sign(x)) = lt0(x)",
            # what only counts
            *_inside("ones_like zeros_like numel count", _KEEP_SHAPE),
            *_inside("count", "depth_difference cumulative_sum"),
            # one name for two
            "mul(x, x) = square(x)",
            "power(x, 1) = x",
            "power(x, 2) = square(x)",
            "power(x, 0.5) = sqrt(x)",
            "power(x, -1) = reciprocal(x)",
            "log(abs(x)) = abs_log(x)",
            "sum(abs(x)) = sum_abs(x)",
            "mean(abs(x)) = l1(x)",
            "mean(square(x)) = mean_square(x)",
            "sum(mul(x, y)) = dot(x, y)",
            "sum(log(x)) = sum_log(x)",
            "log(sum(x)) = log_sum(x)",
        ]
    ),
    *_rules(["abs(x) = x", "relu(x) = x"], nonnegative=True),
)
"""Every rule; the first that applies is taken."""

BY_NAME: Mapping[str, tuple[Rule, ...]] = {
    name: tuple(rule for rule in RULES if rule.left.name == name) for name in {rule.left.name for rule in RULES}
}
"""The rules by the primitive at the root of what they replace."""

_ALWAYS = frozenset(
    [
        "abs",
        "square",
        "exp",
        "sigmoid",
        "softmax",
        "gt0",
        "lt0",
        "heaviside",
        "gt",
        "lt",
        "eq",
        "ones_like",
        "zeros_like",
        "numel",
        "count",
        "sparsity",
        "fraction_positive",
        "count_positive",
        "l1",
        "sum_abs",
        "frobenius_norm",
        "mean_square",
        "lp_norm",
        "l2_norm",
        "variance",
        "std",
        "spectral_norm",
        "nuclear_norm",
        "effective_rank",
        "stable_rank",
        "hamming_distance",
        "sign_kernel",
        "mean_abs_difference",
    ]
) | {f"{function}_over_{axis}" for function in ("std", "l2") for axis in _AXES}

_IF_ARGUMENTS_ARE = frozenset(
    [
        "sqrt",
        "add",
        "mul",
        "div",
        "maximum",
        "minimum",
        "mean",
        "sum",
        "max",
        "min",
        "median",
        "first",
        "last",
        "cumulative_sum",
        "log1p",
        "power",
        "reciprocal",
        "dot",
        "channel_dot",
        "gram",
        "trace",
    ]
) | {f"{function}_over_{axis}" for function in ("mean", "sum", "max") for axis in _AXES}


def is_nonnegative(node: Node, known: Mapping[Node, bool]) -> bool:
    """Whether a node can be shown to hold nothing below 0, and no zero with a minus sign; NaN is allowed.

    Args:
        node: The node.
        known: What this function says of its arguments.
    """
    if node.name in _ALWAYS:
        return True
    return node.name in _IF_ARGUMENTS_ARE and all(known[arg] for arg in node.args if arg.kind is not Kind.LITERAL)
