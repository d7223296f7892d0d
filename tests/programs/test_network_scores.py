from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas import primitives
from eznas.minibatch import Minibatch
from eznas.primitives import Kind
from eznas.programs import evaluate, parse
from eznas.status import Status

if TYPE_CHECKING:
    import pytest


def minibatch() -> Minibatch:
    generator = torch.Generator().manual_seed(0)
    return Minibatch(torch.randn((4, 3, 6, 6), generator=generator), torch.arange(4), 4, "random")


def network() -> nn.Sequential:
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()]
    made = nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 4))
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return made


def test_scores_are_those_of_a_computation_by_hand() -> None:
    made = network()
    programs = [
        parse(text) for text in ("sum(sum_abs(weight))", "last(max(conv_in.data))", "max(numel(weight_grad.loss))")
    ]
    first, second, third = evaluate(programs, made, minibatch())
    weights = [layer.weight for layer in made if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert torch.isclose(
        torch.tensor(first.value), torch.stack([weight.detach().abs().sum() for weight in weights]).sum()
    )
    with torch.no_grad():
        entering = made[:-1](minibatch().images)
    assert torch.isclose(torch.tensor(second.value), entering.max())
    assert third.value == 144 * 4
    assert [score.status for score in (first, second, third)] == [Status.OK] * 3


def test_a_value_that_is_not_finite_says_on_which_unit() -> None:
    made = network()
    broken_layer = made[2]
    assert isinstance(broken_layer, nn.Conv2d)
    nn.init.zeros_(broken_layer.weight)
    programs = [
        parse(text) for text in ("sum(log(sum_abs(weight)))", "log(sum(mean(neg(abs(weight)))))", "sum(l1(weight))")
    ]
    broken, negative, fine = evaluate([*programs[:2], programs[2]], made, minibatch())
    assert broken.status is negative.status is Status.NON_FINITE
    assert broken.detail == "the value is -inf"
    assert fine.ok
    score = evaluate([parse("sum(mean(log(abs(weight))))")], made, minibatch())[0]
    assert score.detail == "the value is -inf; mean(log(abs(weight))) is -inf on unit 2"


def test_a_finite_value_of_what_raised_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = primitives.resolve("frobenius_norm", [Kind.WEIGHT])

    def raises(_: Tensor) -> Tensor:
        raise torch.linalg.LinAlgError("did not converge")  # type: ignore[attr-defined]  # it is documented

    monkeypatch.setitem(vars(record), "function", raises)
    blind, fine = evaluate(
        [parse("sum(gt0(frobenius_norm(weight)))"), parse("sum(l1(weight))")], network(), minibatch()
    )
    assert blind.status is Status.EXCEPTION
    assert blind.detail.endswith("did not converge")
    assert fine.ok


def test_a_network_without_units_has_no_units() -> None:
    scores = evaluate([parse("sum(l1(weight))")] * 2, nn.Flatten(), minibatch())
    assert [score.status for score in scores] == [Status.NO_UNITS] * 2
    assert "convolution" in scores[0].detail


def test_a_network_that_raises_is_an_exception() -> None:
    (score,) = evaluate([parse("sum(l1(weight))")], nn.Conv2d(5, 4, 3), minibatch())
    assert score.status is Status.EXCEPTION
    assert "RuntimeError" in score.detail


def test_no_programs_give_no_scores() -> None:
    assert evaluate([], network(), minibatch()) == []
