"""The formula of a program, read by sympy, has the program's value."""

from __future__ import annotations

import itertools
import math
import random
import re
from typing import TYPE_CHECKING

import pytest
import sympy
import torch
from sympy.parsing.latex import parse_latex

from eznas import primitives
from eznas.gp.grammar import random_program
from eznas.primitives import Kind
from eznas.programs import Layout, apply, evaluate_upper, leaf, parse
from eznas.programs.export import to_latex

if TYPE_CHECKING:
    from eznas.programs import Node

VALUES = {"W": 0.7, "X": 1.9, "Y": 2.3}
REDUCTIONS = [apply("frobenius_norm", leaf(name)) for name in ("weight", "input.data", "conv_out.data")]
FUNCTIONS = [record for record in primitives.all_primitives() if record.signatures[-1].args[0].floor.value != "tensor"]
UNIT_SUM = r"\sum_{k=1}^{1} "
READABLE = {  # notation that sympy does not read, for a network of one unit
    r"\sum_u ": UNIT_SUM,
    r"\max_u ": UNIT_SUM,
    r"\min_u ": UNIT_SUM,
    r"\Delta_u ": rf"0 \cdot {UNIT_SUM}",
    r"\operatorname{std}_u ": rf"0 \cdot {UNIT_SUM}",
    r"\frac1u": r"\frac{1}{u}",
    r"\right)_1": r"\right)",
    r"\right)_u": r"\right)",
    r"\lVert ": r" A_{0}\left(",
    r" \rVert_2": r"\right)",
    r"\lvert ": r" A_{0}\left(",
    r" \rvert": r"\right)",
    "[": r"C_{0}(",
    "]": ")",
    " < ": ", 1, ",
    " > ": ", 2, ",
    " = ": ", 3, ",
}


def readable(formula: str) -> str:
    for symbol in VALUES:
        formula = formula.replace(rf"\lVert {symbol} \rVert_F", f"{symbol}_{{1}}")
    for old, new in READABLE.items():
        formula = formula.replace(old, new)
    return re.sub(r"\\operatorname\{([a-z0-9-]+)\}", lambda name: f"F_{{{code(name[1])}}}", formula)


def code(name: str) -> int:
    return [record.name.replace("_", "-") for record in FUNCTIONS].index(name)


def value(expression: sympy.Basic) -> float:
    """Evaluate the tree as it was read, without simplifying it."""
    if expression.is_number and not expression.args:
        return float(expression)
    if expression.is_Symbol:
        return {"u": 1.0, "e": math.e, **{f"{name}_{{1}}": number for name, number in VALUES.items()}}[expression.name]
    if isinstance(expression, sympy.Sum):
        return value(expression.function)
    name = expression.func.__name__
    args = [torch.tensor([value(arg)], dtype=torch.float64) for arg in expression.args]
    if name == "C_{0}":
        return float({1.0: torch.lt, 2.0: torch.gt, 3.0: torch.eq}[args[1].item()](args[0], args[2]))
    if name.startswith("F_"):
        return FUNCTIONS[int(name[3:-1])].function(*args).item()
    functions = {
        "Add": lambda *terms: sum(terms),
        "Mul": lambda *factors: math.prod(factors),
        "Pow": torch.pow,
        "log": lambda x, _: x.log(),
        "A_{0}": torch.abs,
        "sigma": torch.sigmoid,
        "H": lambda x: torch.gt(x, 0),
        "max": torch.maximum,
        "min": torch.minimum,
    }
    return float(functions[name](*args))


def engine(program: Node) -> float:
    layout = Layout([1])
    vectors = {
        node: layout.ragged([torch.tensor([number])]) for node, number in zip(REDUCTIONS, VALUES.values(), strict=True)
    }
    return evaluate_upper([program], vectors, layout).item()


def assert_reads_as(program: Node) -> bool:
    expected = engine(program)
    if not math.isfinite(expected):
        return False
    formula = readable(to_latex(program))
    assert value(parse_latex(formula, backend="antlr")) == pytest.approx(expected, rel=1e-4, abs=1e-6), formula
    return True


def test_formulas_of_random_programs_have_the_values_of_the_programs() -> None:
    compared = [assert_reads_as(random_program(random.Random(seed), seed % 4, REDUCTIONS)) for seed in range(120)]
    assert sum(compared) > 60


INNER = ("neg({0})", "square({0})", "add({0}, {0})", "sub({0}, {1})", "mul({0}, {1})", "exp({0})", "sum_log({0})")


@pytest.mark.parametrize("outer", FUNCTIONS, ids=lambda record: f"{record.family}-{record.name}")
def test_an_argument_of_any_form_is_bracketed_where_it_must_be(outer: primitives.Primitive) -> None:
    signature = outer.signatures[-1]
    of_networks = signature.args[0] is Kind.NETWORK
    plain = [f"max({node.text})" if of_networks else node.text for node in REDUCTIONS[:2]]
    literals = [str(outer.parameter.choices[-1])] if outer.parameter else []
    for place, inner in itertools.product(range(outer.arity - len(literals)), INNER if of_networks else INNER[:-1]):
        args = plain[: outer.arity - len(literals)]
        args[place] = inner.format(*(plain if not inner.startswith("sum_log") else [REDUCTIONS[0].text]))
        text = f"{outer.name}({', '.join(args + literals)})"
        assert_reads_as(parse(text if signature.result is Kind.NETWORK else f"sum({text})"))


def test_the_square_of_an_argument_is_not_the_square_of_a_logarithm() -> None:
    formula = to_latex(parse("sum_log(square(mean(norm_out.data)))"))
    assert formula == r"\sum_u \log \left(\left(\overline{A}\right)^2\right)"
