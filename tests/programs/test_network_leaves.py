from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from eznas.errors import InputError
from eznas.primitives import Kind
from eznas.programs import (
    canonical,
    cost,
    draw,
    is_constant,
    is_network_leaf,
    leaf,
    network_leaves,
    parse,
    reductions,
    replace,
    simplify_exact,
    simplify_rank,
    statistics,
    to_networkx,
)
from eznas.programs.export import to_dot, to_latex

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("measure.eznas_a", "score.synflow2", "graf.conv_1x1", "measure.l2_norm", "graf._", "score.0")
MIXED = "add(log(measure.synflow), mul(graf.conv_1x1, sum(mean(weight))))"


@pytest.mark.parametrize("name", NAMES)
def test_a_leaf_is_a_number_of_the_network_and_a_program(name: str) -> None:
    node = leaf(name)
    assert (node.kind, node.args, node.size, node.height) == (Kind.NETWORK, (), 1, 0)
    assert parse(name) is node
    assert parse(f" abs( {name} ) ").args[0] is node
    assert pickle.loads(pickle.dumps(node)) is node  # noqa: S301


def test_leaves_are_told_from_statistics_and_literals() -> None:
    program = parse(MIXED)
    assert network_leaves([program, parse("graf.conv_1x1")]) == [leaf("measure.synflow"), leaf("graf.conv_1x1")]
    assert statistics([program]) == {"weight"}
    assert reductions([program]) == [parse("mean(weight)", Kind.UNIT)]
    assert not any(is_network_leaf(node) for node in (program, leaf("weight"), parse("power(graf.a, 2)").args[1]))
    assert parse(program.text) is program


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("mesure.synflow", 1, "did you mean 'measure.synflow'?"),
        ("add(graph.n, sum(mean(weight)))", 5, "did you mean 'graf.n'?"),
        ("sum(mean(input_grad.dat))", 10, "did you mean 'input_grad.data'?"),
        ("measure.synflow(weight)", 1, "measure.synflow is a number of the network and takes no arguments"),
        ("sum(measure.synflow)", 1, "sum does not take (network)"),
        ("measure.SynFlow", 8, "a program is written with a-z"),
        ("measure.synflow weight", 17, "nothing may follow the program"),
    ],
)
def test_errors_name_the_nearest_leaf_and_the_place(text: str, column: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column  # type: ignore[attr-defined]


def test_a_leaf_of_the_network_floor_fits_where_a_number_of_the_network_does() -> None:
    assert replace(parse("abs(measure.synflow)"), 1, leaf("graf.n")) is parse("abs(graf.n)")
    with pytest.raises(InputError, match="this must give unit, it gives network"):
        parse("measure.synflow", Kind.UNIT)


@pytest.mark.parametrize(
    "text", ["measure.synflow", "graf.n", MIXED, "add(mean(mean(image.data)), score.a)", "sub(score.a, score.a)"]
)
def test_no_program_with_a_leaf_is_constant(text: str) -> None:
    assert not is_constant(parse(text))


def test_simplification_reads_through_leaves() -> None:
    assert canonical(parse("add(score.b, score.a)")) is parse("add(score.a, score.b)")
    assert simplify_exact(parse("neg(neg(measure.synflow))")) is leaf("measure.synflow")
    assert simplify_exact(parse("add(score.a, neg(score.b))")) is parse("sub(score.a, score.b)")
    assert simplify_rank(parse("exp(measure.synflow)")) is leaf("measure.synflow")
    assert simplify_exact(leaf("graf.n")) is leaf("graf.n")
    assert simplify_exact(parse("abs(score.a)")) is parse("abs(score.a)")  # a score may be negative


def test_the_cost_of_a_measure_is_a_forward_and_a_backward_pass_once() -> None:
    assert cost(leaf("measure.synflow")) == 3.0
    assert cost(parse("add(measure.synflow, abs(measure.synflow))")) == 3.0
    assert cost(parse("add(measure.synflow, measure.params)")) == 6.0
    assert cost(parse("add(score.a, graf.n)")) == 0.0
    assert cost(parse("add(measure.synflow, sum(l1(norm_out.data)))")) == pytest.approx(3.0 + 1.1)


def test_formulas_and_pictures_show_leaves(tmp_path: Path) -> None:
    assert to_latex(leaf("measure.jacob_cov")) == r"\operatorname{jacob\_cov}"
    assert to_latex(parse("add(log(measure.synflow), graf.conv_1x1)")).endswith(r"\operatorname{conv\_1x1}")
    assert '[label="measure.synflow", fillcolor="#fbdfb8"]' in to_dot(parse(MIXED))
    assert to_dot(leaf("graf.n")).count("label=") == 1
    graph = to_networkx(parse(MIXED))
    assert {data["label"] for _, data in graph.nodes(data=True) if data["floor"] == "network"} >= {"graf.conv_1x1"}
    for number, text in enumerate(("graf.n", MIXED, "add(score.a, score.b)")):
        draw(parse(text), tmp_path / f"{number}.png")
        assert (tmp_path / f"{number}.png").stat().st_size > 1000
