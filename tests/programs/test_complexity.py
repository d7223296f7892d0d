from __future__ import annotations

import pytest

from eznas.programs import complexity, cost, parse
from eznas.programs.complexity import passes


def test_complexity_counts_every_node_that_is_written() -> None:
    assert complexity(parse("sum(sum(weight))")) == 3
    assert complexity(parse("add(sum(sum(weight)), sum(sum(weight)))")) == 7
    assert complexity(parse("power(sum(sum(weight)), 3)")) == 5


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"weight"}, (1, 0)),
        ({"act.data", "weight"}, (1, 0)),
        ({"act.data", "act_grad.loss"}, (1, 1)),
        ({"act_grad.data", "act_grad.loss"}, (1, 2)),
        ({"act.noise"}, (1, 0)),
        ({"act.noise", "input_grad.data"}, (2, 1)),
        ({"act.perturbed"}, (2, 0)),
        ({"act_grad.perturbed", "act_grad.noise", "act_grad.loss"}, (3, 4)),
    ],
)
def test_passes(names: set[str], expected: tuple[int, int]) -> None:
    assert passes(names) == expected


def test_cost_adds_passes_and_distinct_primitives_on_tensors() -> None:
    assert cost(parse("sum(l1(act.data))")) == pytest.approx(1.1)
    assert cost(parse("sum(l1(weight_grad.data))")) == pytest.approx(3.02)
    assert cost(parse("add(sum(l1(act.data)), exp(max(l1(act.data))))")) == pytest.approx(1.1)
    assert cost(parse("sum(logdet(gram(act.noise)))")) == pytest.approx(1 + 0.3 + 0.06)
    assert cost(parse("sum(mean(logdet(act.data)))")) == pytest.approx(1 + 2 + 0.1)
