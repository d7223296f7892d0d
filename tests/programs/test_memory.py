from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import torch

import eznas.programs.memory as splitting
from eznas.capture import Outline, Unit
from eznas.errors import MemoryLimitError
from eznas.minibatch import Minibatch, load_minibatch
from eznas.programs import evaluate, parse
from eznas.scoring import Condition
from eznas.spaces import SPACES, Fidelity
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

CONDITION = Condition.of("nasbench201", Fidelity("tiny", 1, 4, pixels=16), 3, load_minibatch("digits", 4, pixels=16))
PROGRAMS = [
    parse("sum(dot(input.data, conv_in.perturbed))"),
    parse("sum(mul(mean(sigmoid(conv_out_grad.loss)), effective_rank(weight_grad.data)))"),
]


def network() -> nn.Module:
    return CONDITION.network(SPACES["nasbench201"].sample(random.Random(4)))


def test_a_reduction_that_does_not_fit_is_evaluated_on_some_units_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[tuple[Sequence[int], int | None]] = []
    original = splitting.capture_part

    def watched(*args: object) -> object:
        parts.append(args[-2:])  # type: ignore[arg-type]
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(splitting, "capture_part", watched)
    expected = evaluate(PROGRAMS, network(), CONDITION.minibatch)
    assert not parts
    assert all(score.ok for score in expected)
    assert evaluate(PROGRAMS, network(), CONDITION.minibatch, memory=320_000) == expected
    assert len(parts) > 1


def test_what_does_not_fit_unit_by_unit_is_refused_with_the_memory_that_it_needs() -> None:
    (score, *_) = evaluate(PROGRAMS, network(), CONDITION.minibatch, memory=10**5)
    assert score.status is Status.EXCEPTION
    assert score.detail == (
        "MemoryLimitError: memory must be at least 1M for one process to capture conv_in.perturbed, input.data of this "
        "network on 4 images, got 1M; give more memory, fewer workers or fewer images"
    )


SHAPE = Outline(
    units=tuple(Unit(place, f"conv{place}", (1, 1, 1, 1), (2, 1, 25, 1), (2, 2, 25, 1)) for place in range(4)),
    records=(),
    live=1000,
    graph=6000,
    saved=500,
)
"""Units of 4, 200 and 400 bytes: weight, input and output."""
PIXELS = Minibatch(torch.zeros(2, 1, 1, 1), torch.zeros(2, dtype=torch.long), 2, "zeros")


@pytest.mark.parametrize(
    ("name", "limit", "expected"),
    [
        ("conv_out.data", 3200, ([[0, 1, 2, 3]], None)),  # 4 x 400 of working memory, and 4 x 400
        ("conv_out.data", 3199, ([[0, 1, 2], [3]], None)),
        ("conv_out.data", 2000, ([[0], [1], [2], [3]], None)),
        ("conv_in.perturbed", 2800, ([[0, 1], [2, 3]], None)),  # itself, the data, and a difference: 600 a unit
        ("weight_grad.data", 14032, ([[0, 1, 2, 3]], None)),  # twice the pass, and the graph is less than half
        ("weight_grad.data", 10000, ([[0, 1, 2, 3]], 4000)),
        ("conv_out_grad.data", 3400, ([[0], [1], [2], [3]], 1000)),  # twice the largest saved tensor
    ],
)
def test_units_are_split_by_hand(name: str, limit: int, expected: tuple[list[list[int]], int | None]) -> None:
    assert splitting.split_units([name], SHAPE, PIXELS, -(-limit * 10 // 9)) == expected


@pytest.mark.parametrize(("name", "limit"), [("conv_out.data", 1999), ("conv_out_grad.data", 3399)])
def test_a_unit_that_does_not_fit_is_refused(name: str, limit: int) -> None:
    with pytest.raises(MemoryLimitError, match=f"memory must be at least 1M for one process to capture {name} of this"):
        splitting.split_units([name], SHAPE, PIXELS, limit * 10 // 9)
