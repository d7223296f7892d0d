from __future__ import annotations

import pytest
import torch

from eznas.capture import Outline, Unit
from eznas.errors import MemoryLimitError
from eznas.minibatch import Minibatch
from eznas.programs.pass_plan import PassPlan, plan_within

SHAPE = Outline(
    units=tuple(Unit(place, f"conv{place}", (1, 1, 1, 1), (2, 1, 25, 1), (2, 2, 25, 1)) for place in range(4)),
    records=(),
    layers=(),
    live=1000,
    graph=6000,
    saved=500,
    beside={"conv_in": 300},
)
"""Units of 4, 200 and 400 bytes: weight, input and output."""
PIXELS = Minibatch(torch.zeros(2, 1, 1, 1), torch.zeros(2, dtype=torch.long), 2, "zeros")
ALL = (0, 1, 2, 3)
WORKING = 4 * 400


def plan(limit: int, *requests: str) -> list[PassPlan]:
    return plan_within([frozenset(request.split()) for request in requests], SHAPE, PIXELS, -(-limit * 10 // 9))


@pytest.mark.parametrize(
    ("requests", "limit", "expected"),
    [
        # a pass, its working memory, and the statistics of one unit, whatever the number of units
        (["conv_out.data"], 1000 + WORKING + 400, [(ALL, None)]),
        (["conv_out.data", "conv_in.data", "input.noise"], 1000 + WORKING + 400, [(ALL, None)]),
        # one of the two waits for the other pass
        (["conv_out.data conv_out.noise"], 1000 + WORKING + 800 + 4 * 400, [(ALL, None)]),
        (["conv_out.data conv_out.noise"], 1000 + WORKING + 800 + 4 * 400 - 1, [((0, 1, 2), None), ((3,), None)]),
        (["conv_in.perturbed"], 1000 + WORKING + 400 + 2 * 200, [((0, 1), None), ((2, 3), None)]),
        # twice the pass, and the graph; the gradients of weights come at its end
        (["weight_grad.data"], 2000 + WORKING + 4 + 4 * 4 + 6000, [(ALL, None)]),
        (["weight_grad.data"], 2000 + WORKING + 4 + 4 * 4 + 5999, [(ALL, 5999 - WORKING)]),
        # values that wait for the backward pass, beside those that the graph holds
        (["conv_out.data conv_out_grad.loss"], 2000 + WORKING + 800 + 6000, [(ALL, None)]),
        (["conv_in.data conv_in_grad.loss"], 2000 + WORKING + 400 + 6300, [(ALL, None)]),
        (["conv_in.data conv_in_grad.loss"], 2000 + WORKING + 400 + 6299, [(ALL, 6299 - WORKING)]),
        # twice the largest saved tensor
        (["conv_out_grad.data"], 2000 + WORKING + 400 + 1000, [(ALL, 1000)]),
        # gradients of two backward passes: those of some units wait
        (["conv_out_grad.data conv_out_grad.loss"], 4600 + WORKING, [((0, 1), 1000), ((2, 3), 1000)]),  # 800 + 800
    ],
)  # fmt: skip
def test_passes_are_planned_by_hand(
    requests: list[str], limit: int, expected: list[tuple[tuple[int, ...], int | None]]
) -> None:
    plans = plan(limit, *requests)
    assert [(part.passes.places, part.passes.graph) for part in plans] == expected
    assert [part.passes.whole for part in plans] == [False] * (len(plans) - 1) + [True]


def test_requests_of_one_pass_are_read_in_the_runs_of_those_that_need_several() -> None:
    requests = ["conv_out.data conv_out.noise", "conv_out.noise", "weight_grad.loss", "input.perturbed"]
    everything = plan(10**6, *requests)
    assert [part.passes.requests for part in everything] == [tuple(frozenset(text.split()) for text in requests)]
    several, single = (
        [frozenset(text.split()) for text in texts]
        for texts in ([requests[0], requests[1], requests[3]], [requests[2]])
    )
    plans = plan(1000 + WORKING + 800 + 3 * (400 + 200), *requests)
    assert [list(part.passes.requests) for part in plans] == [several, several, single]


@pytest.mark.parametrize(
    ("request_", "limit"), [("conv_out.data", 1000 + WORKING + 399), ("conv_out_grad.data", 2000 + WORKING + 400 + 999)]
)
def test_a_unit_that_does_not_fit_is_refused(request_: str, limit: int) -> None:
    with pytest.raises(
        MemoryLimitError, match=f"memory must be at least [46]K for each process to capture {request_} of this"
    ):
        plan_within([frozenset([request_])], SHAPE, PIXELS, limit * 10 // 9)
