from __future__ import annotations

import pytest

from eznas.measures import MEASURES, Measure
from eznas.measures.registry import measure_prices
from eznas.programs import cost, leaf, parse
from eznas.programs.costs import passes


def test_complexity_counts_every_node_that_is_written() -> None:
    assert parse("sum(sum(weight))").size == 3
    assert parse("add(sum(sum(weight)), sum(sum(weight)))").size == 7
    assert parse("power(sum(sum(weight)), 3)").size == 5


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"weight"}, (1, 0)),
        ({"norm_out.data", "weight"}, (1, 0)),
        ({"norm_out.data", "norm_out_grad.loss"}, (1, 1)),
        ({"norm_out_grad.data", "norm_out_grad.loss"}, (1, 2)),
        ({"norm_out.noise"}, (1, 0)),
        ({"norm_out.noise", "input_grad.data"}, (2, 1)),
        ({"norm_out.perturbed"}, (2, 0)),
        ({"norm_out_grad.perturbed", "norm_out_grad.noise", "norm_out_grad.loss"}, (3, 4)),
    ],
)
def test_passes(names: set[str], expected: tuple[int, int]) -> None:
    assert passes(names) == expected


def test_cost_adds_passes_and_distinct_primitives_on_tensors() -> None:
    assert cost(parse("sum(l1(norm_out.data))")) == pytest.approx(1.1)
    assert cost(parse("sum(l1(weight_grad.data))")) == pytest.approx(3.02)
    assert cost(parse("add(sum(l1(norm_out.data)), exp(max(l1(norm_out.data))))")) == pytest.approx(1.1)
    assert cost(parse("sum(logdet(gram(norm_out.noise)))")) == pytest.approx(1 + 0.3 + 0.06)
    assert cost(parse("sum(mean(logdet(norm_out.data)))")) == pytest.approx(1 + 2 + 0.1)


def test_prices_of_measures_can_be_given() -> None:
    program = parse("add(measure.params, mul(measure.synflow, sum(l1(norm_out.data))))")
    assert cost(program) == pytest.approx(1.1 + 3 + 3)
    assert cost(program, {leaf("measure.params"): 0.0}) == pytest.approx(1.1 + 3)


def test_the_price_of_a_measure_follows_from_its_needs_or_program() -> None:
    prices = {name: MEASURES[name].price for name in ("params", "flops", "naswot", "synflow", "zico", "grasp")}
    assert prices == {"params": 0.0, "flops": 1.0, "naswot": 1.0, "synflow": 3.0, "zico": 5.0, "grasp": 9.0}
    assert MEASURES["eznas_a"].price == cost(parse(MEASURES["eznas_a"].program))
    composed = Measure("composed", program="add(measure.flops, add(measure.grasp, graf.n))")
    assert composed.price == 10.0
    leaves = [leaf("measure.naswot"), leaf("graf.n"), leaf("score.a")]
    assert measure_prices(leaves) == {leaf("measure.naswot"): 1.0}
