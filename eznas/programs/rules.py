"""The rules of exact simplification, such as ``add(x, neg(y)) = sub(x, y)`` and ``relu(x) = x where x >= 0``.

Each side is a pattern: a program whose leaves are the variables ``x``, ``y`` and ``z``, which stand for any subtree, or
numbers; a variable that comes twice stands for the same subtree. The right side is one primitive over variables, or a
variable, and never larger than the left. Rules hold to the bit for every value, NaN, infinities and the signs of zeros
included, as the tests check for every rule and all kinds; so ``sqrt(square(x))`` is not ``abs(x)``: the square may
overflow. The rules stand on the records of the primitives: ``ignores``, ``keeps`` and ``rules`` of ``Primitive``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from eznas.primitives import Kind, KindError
from eznas.programs.tree import Node, apply, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.primitives import Primitive


_VARIABLES = ("x", "y", "z")
_NONNEGATIVE = " where x >= 0"


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
                call = cls(names.pop(), tuple(stack.pop()))
                stack[-1].append(call)
            else:
                stack[-1].append(cls(name))
        return stack[0][0]

    def match(self, node: Node, bound: dict[str, Node]) -> bool:
        """Whether a node has this form; fills ``bound`` with the meaning of the variables."""
        if self.name in _VARIABLES:
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
        left: The form of the node to replace.
        right: The form of its replacement.
        nonnegative: Whether it holds only where ``x`` cannot be negative.
    """

    left: Pattern
    right: Pattern
    nonnegative: bool = False

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Read a rule such as ``"neg(neg(x)) = x"``; ``where x >= 0`` may follow."""
        left, right = text.removesuffix(_NONNEGATIVE).split(" = ")
        return cls(Pattern.parse(left), Pattern.parse(right), text.endswith(_NONNEGATIVE))

    def rewrite(self, node: Node, nonnegative: Mapping[Node, bool]) -> Node | None:
        """Return the replacement of a node, or None where the rule does not apply.

        Args:
            node: The node.
            nonnegative: The result of ``is_nonnegative`` for the nodes below it.
        """
        bound: dict[str, Node] = {}
        if not self.left.match(node, bound) or (self.nonnegative and not nonnegative[bound["x"]]):
            return None
        try:
            new = self.right.build(bound)
        except KindError:  # the right side is not defined on this floor
            return None
        return new if new.kind is node.kind else None


def rule_texts(record: Primitive) -> list[str]:
    """Return the rules whose left side begins with a primitive, in the order in which they are tried."""
    variables = ", ".join(_VARIABLES[: record.arity])
    rest = variables[1:]
    lines = [f"{record.name}({name}(x){rest}) = {record.name}({variables})" for name in record.ignores]
    lines += [f"{record.name}({name}(x){rest}) = {name}(x)" for name in record.keeps]
    return [*lines, *record.rules]


@cache
def rules_of(record: Primitive) -> tuple[Rule, ...]:
    """Return the parsed rules of ``rule_texts``."""
    return tuple(map(Rule.parse, rule_texts(record)))


def is_nonnegative(node: Node, known: Mapping[Node, bool]) -> bool:
    """Whether a node can be shown to hold nothing below 0, and no zero with a minus sign; NaN is allowed.

    Args:
        node: The node.
        known: The result of this function for its arguments.
    """
    if not node.args or not node.primitive.nonnegative:
        return False
    return node.primitive.nonnegative == "always" or all(
        known[arg] for arg in node.args if arg.kind is not Kind.LITERAL
    )
