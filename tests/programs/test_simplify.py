from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eznas import primitives
from eznas.primitives import Kind, KindError
from eznas.programs import (
    Layout,
    Node,
    apply,
    canonical,
    evaluate_upper,
    leaf,
    literal,
    parse,
    postorder,
    reductions,
    simplify_exact,
    simplify_rank,
)
from eznas.programs.rules import Pattern, Rule, is_nonnegative, rules_of
from eznas.testing.strategies import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPES = {
    Kind.WEIGHT: (4, 3, 2, 3, 3),
    Kind.INPUT: (4, 3, 2, 5, 5),
    Kind.OUTPUT: (4, 3, 4, 5, 5),
    Kind.IMAGE: (4, 3, 3, 5, 5),
    Kind.SAMPLES: (4, 3, 3),
    Kind.UNIT: (4, 7),
    Kind.NETWORK: (9,),
}
STAND_INS = {
    "x": {
        Kind.WEIGHT: "weight",
        Kind.INPUT: "input.data",
        Kind.OUTPUT: "norm_out.data",
        Kind.IMAGE: "image.data",
        Kind.SAMPLES: "gram(norm_out.data)",
        Kind.UNIT: "sum(weight)",
        Kind.NETWORK: "max(sum(weight))",
        Kind.LITERAL: "3",
    },
    "y": {
        Kind.WEIGHT: "weight_grad.data",
        Kind.INPUT: "input.noise",
        Kind.OUTPUT: "norm_out.noise",
        Kind.IMAGE: "image.noise",
        Kind.SAMPLES: "gram(norm_out.noise)",
        Kind.UNIT: "mean(weight)",
        Kind.NETWORK: "min(sum(weight))",
        Kind.LITERAL: "3",
    },
}
SPECIAL = (0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-40, -1e-30, 3e38, -1e20, 1.0, 0.5)


@cache
def draws(kind: Kind, dtype: torch.dtype) -> list[Tensor]:
    """Ordinary numbers, each member with its own kind of special ones, and only zeros."""
    generator = torch.Generator().manual_seed(len(kind.value))
    normal = torch.randn(SHAPES[kind], generator=generator, dtype=dtype)
    sprinkled = normal.clone().flatten()
    where = torch.randperm(sprinkled.numel(), generator=generator)[: len(SPECIAL)]
    sprinkled[where] = torch.tensor(SPECIAL, dtype=dtype)[: len(where)]
    finite = torch.where(sprinkled.isfinite(), sprinkled, 1.0)
    coarse = normal.mul(2).round()  # many zeros, of both signs, and equal entries
    values = [
        normal,
        sprinkled.view_as(normal),
        finite.view_as(normal),
        coarse,
        torch.zeros_like(normal),
        -normal.abs(),
    ]
    return [*values, normal.abs() * 1e-30, normal * 1e30]


def value(node: Node, given: Mapping[Node, Tensor]) -> Tensor | float:
    if node in given:
        return given[node]
    if node.kind is Kind.LITERAL:
        return float(node.text)
    return node.primitive.function(*[value(arg, given) for arg in node.args])


def same_bits(left: Tensor | float, right: Tensor | float) -> bool:
    assert isinstance(left, Tensor)
    assert isinstance(right, Tensor)
    zeros = (left == 0) & (right == 0)
    equal = (left == right) | (left.isnan() & right.isnan())
    return bool(equal.all()) and bool((left.signbit() == right.signbit())[zeros].all())


def variables(pattern: Pattern) -> set[str]:
    return set().union(*map(variables, pattern.args)) if pattern.args else {pattern.name} & {"x", "y"}


def spell(pattern: Pattern) -> str:
    return f"{pattern.name}({', '.join(map(spell, pattern.args))})" if pattern.args else pattern.name


def instances(rule: Rule) -> list[tuple[dict[str, Node], Node, Node]]:
    """Every way to give the variables kinds such that both sides are defined."""
    names = sorted(variables(rule.left))
    found = []
    for kinds in itertools.product(Kind, repeat=len(names)):
        bound = {name: parse(STAND_INS[name][kind], kind) for name, kind in zip(names, kinds, strict=True)}
        try:
            left, right = rule.left.build(bound), rule.right.build(bound)
        except KindError:
            continue
        if left.kind is right.kind:
            found.append((bound, left, right))
    return found


RULES = {spell(rule.left): rule for record in primitives.all_primitives() for rule in rules_of(record)}


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if not rule.nonnegative], ids=lambda r: spell(r.left))
def test_each_rule_keeps_every_bit_on_every_floor(rule: Rule) -> None:
    found = instances(rule)
    assert found
    for bound, left, right in found:
        assert rule.rewrite(left, {}) is right
        assert right.size <= left.size
        tensors = [node for node in bound.values() if node.kind is not Kind.LITERAL]
        for dtype in (torch.float32, torch.float64):
            for draw, shift in itertools.product(range(8), range(2 * len(tensors) - 1)):
                given_values = {
                    node: draws(node.kind, dtype)[(draw + shift * place) % 8] for place, node in enumerate(tensors)
                }
                assert same_bits(value(left, given_values), value(right, given_values)), left


def test_rules_of_what_cannot_be_negative() -> None:
    for text in ("abs(frobenius_norm(weight))", "relu(sqrt(sum(square(weight))))", "abs(sigmoid(abs(weight)))"):
        node = parse(text, Kind.WEIGHT if "sigmoid" in text else Kind.UNIT)
        assert simplify_exact(node).name == node.args[0].name
    assert simplify_exact(parse("abs(sum(weight))", Kind.UNIT)).name == "abs"
    assert simplify_exact(parse("abs(relu(weight))", Kind.WEIGHT)).name == "abs"  # relu keeps -0


def tensors_of(root: Node, draw: int) -> dict[Node, Tensor]:
    leaves = [node for node in postorder([root]) if not node.args and node.kind is not Kind.LITERAL]
    return {node: draws(node.kind, torch.float32)[(draw + place) % 8] for place, node in enumerate(leaves)}


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([Kind.WEIGHT, Kind.OUTPUT, Kind.SAMPLES, Kind.UNIT, Kind.NETWORK]).flatmap(lambda k: programs(k, 3))
)
def test_what_is_called_nonnegative_is(root: Node) -> None:
    known: dict[Node, bool] = {}
    for node in postorder([root]):
        known[node] = is_nonnegative(node, known)
    for draw in range(8):
        given_values = tensors_of(root, draw)
        for node in postorder([root]):
            if known[node]:
                result = value(node, given_values)
                assert isinstance(result, Tensor)
                assert not (result < 0).any(), node
                assert not (result.signbit() & (result == 0)).any(), node


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([Kind.WEIGHT, Kind.OUTPUT, Kind.SAMPLES, Kind.UNIT]).flatmap(programs))
def test_exact_simplification_keeps_every_bit(root: Node) -> None:
    for tier in (canonical, simplify_exact):
        simple = tier(root)
        assert simple.size <= root.size
        assert simple.kind is root.kind
        assert tier(simple) is simple
        for draw in range(8):
            given_values = tensors_of(root, draw)
            if not {"maximum", "minimum"} & {node.name for node in postorder([root])}:  # of 0 and -0: either
                assert same_bits(value(root, given_values), value(simple, given_values))


COUNTS = (3, 1, 7, 3, 7, 2, 2, 5)


def scores(root: Node) -> Tensor:
    layout = Layout(COUNTS)

    def vector(node: Node, place: int) -> Tensor:
        generator = torch.Generator().manual_seed(sum(node.text.encode()) * 100 + place)
        return torch.randn(COUNTS[place], generator=generator, dtype=torch.float64)

    vectors = {
        node: layout.ragged([vector(node, place) for place in range(len(COUNTS))]) for node in reductions([root])
    }
    return evaluate_upper([root], vectors, layout)[0]


def upper(depth: int = 4) -> st.SearchStrategy[Node]:
    """Programs whose reductions are so simple that simplification leaves them alone."""
    leaves = st.sampled_from([apply(name, leaf("weight")) for name in ("sum", "mean", "max", "min")])
    records = list(primitives.all_primitives())

    def extend(kind: Kind, args: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        ways = [
            (record, signature)
            for record in records
            for signature in record.signatures
            if signature.result is kind and signature.args[0] in (Kind.UNIT, Kind.NETWORK)
        ]

        @st.composite
        def build(draw: st.DrawFn) -> Node:
            record, signature = draw(st.sampled_from(ways))
            return apply(
                record.name,
                *[
                    literal(draw(st.sampled_from(record.parameter.choices)))
                    if one is Kind.LITERAL and record.parameter
                    else draw(args if one is Kind.NETWORK or kind is Kind.UNIT else units)
                    for one in signature.args
                ],
            )

        return build()

    units = st.recursive(leaves, lambda below: extend(Kind.UNIT, below), max_leaves=depth)
    first = st.builds(apply, st.sampled_from(["sum", "mean", "max", "last"]), units)
    return st.recursive(first, lambda below: extend(Kind.NETWORK, below), max_leaves=depth)


@settings(deadline=None, max_examples=60)
@given(upper())
def test_exact_simplification_of_programs_keeps_every_bit(root: Node) -> None:
    assert same_bits(scores(root), scores(simplify_exact(root)))
    assert same_bits(scores(root), scores(canonical(root)))


@settings(deadline=None, max_examples=60)
@given(upper())
def test_simplification_by_rank_keeps_the_order_where_the_program_is_finite(root: Node) -> None:
    simple = simplify_rank(root)
    assert simple.size <= simplify_exact(root).size
    assert simplify_rank(simple) is simple
    before, after = scores(root), scores(simple)
    finite = before.isfinite()
    assert not after[finite].isnan().any()
    for left, right in itertools.combinations(finite.nonzero().flatten().tolist(), 2):
        if before[left] < before[right]:
            assert after[left] < after[right], simple
        if before[left] > before[right]:
            assert after[left] > after[right], simple


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("sum(abs(abs(neg(sum(weight)))))", "sum(abs(sum(weight)))"),
        ("sum(square(abs(neg(sum(weight)))))", "sum(square(sum(weight)))"),
        ("sum(mean(abs(weight)))", "sum(l1(weight))"),
        ("sum(abs(mean(abs(neg(weight)))))", "sum(l1(weight))"),
        ("log(sum(sum(weight)))", "log_sum(sum(weight))"),
        ("sum(log(abs(frobenius_norm(abs(weight)))))", "sum_log(frobenius_norm(weight))"),
        ("add(sum(sum(weight)), max(sum(weight)))", "add(max(sum(weight)), sum(sum(weight)))"),
        ("add(neg(sum(sum(weight))), max(sum(weight)))", "sub(max(sum(weight)), sum(sum(weight)))"),
        ("mul(max(sum(abs(weight))), max(sum_abs(weight)))", "square(max(sum_abs(weight)))"),
        ("power(max(sum(weight)), 1)", "max(sum(weight))"),
        ("sum(sqrt(square(sum(weight))))", "sum(sqrt(square(sum(weight))))"),  # the square may overflow
        ("count(exp(neg(normalize(sum(weight)))))", "count(sum(weight))"),
        ("sum(sum(gt0(relu(neg(neg(weight))))))", "sum(sum(gt0(weight)))"),
    ],
)
def test_exact(text: str, exact: str) -> None:
    assert simplify_exact(parse(text)).text == exact


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("exp(sqrt(max(sum(weight))))", "max(sum(weight))"),
        ("log(sum(sum(weight)))", "sum(sum(weight))"),
        ("log1p(sigmoid(power(log(sum(exp(sum(weight)))), 3)))", "sum(exp(sum(weight)))"),
        ("power(max(sum(weight)), 0.25)", "max(sum(weight))"),
        ("sqrt(abs(max(sum(weight))))", "abs(max(sum(weight)))"),
        ("square(max(sum(weight)))", "square(max(sum(weight)))"),
        ("power(max(sum(weight)), -1)", "reciprocal(max(sum(weight)))"),
        ("max(exp(sum(weight)))", "max(exp(sum(weight)))"),
        ("add(exp(max(sum(weight))), min(sum(weight)))", "add(exp(max(sum(weight))), min(sum(weight)))"),
        ("neg(neg(exp(max(sum(weight)))))", "max(sum(weight))"),
    ],
)
def test_by_rank(text: str, simple: str) -> None:
    assert simplify_rank(parse(text)).text == simple


def test_deep_programs_are_simplified() -> None:
    program = parse("neg(" * 5001 + "mean(" + "abs(" * 3000 + "sum(weight)" + ")" * 8002)
    assert simplify_exact(program).text == "neg(mean(abs(sum(weight))))"
    assert simplify_rank(parse("exp(" * 5000 + "mean(sum(weight))" + ")" * 5000)).text == "mean(sum(weight))"
