from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from eznas.capture import capture
from eznas.errors import MemoryLimitError
from eznas.minibatch import load_minibatch
from eznas.programs import BoundedReductions, evaluate, evaluate_reductions, fits, parse, reductions, statistics
from eznas.scoring import Condition
from eznas.spaces import SPACES, Fidelity
from eznas.status import Status

if TYPE_CHECKING:
    from torch import nn

CONDITION = Condition.of("nasbench201", Fidelity("tiny", 1, 4, pixels=16), 3, load_minibatch("digits", 4, pixels=16))
PROGRAMS = [
    parse("sum(dot(input.data, conv_in.perturbed))"),
    parse("sum(mul(mean(sigmoid(conv_out_grad.loss)), effective_rank(weight_grad.data)))"),
    parse("sum(add(l1(mul(conv_out.data, conv_out_grad.loss)), sum_abs(mul(weight, weight_grad.perturbed))))"),
    parse("sum(mul(trace(gram(norm_out.noise)), trace(gram(image_grad.loss))))"),
    parse("mean(mul(l1(image.perturbed), std(norm_out_grad.data)))"),
]
"""Statistics of one pass, of several forward or backward passes, and of the images."""


def network() -> nn.Module:
    return CONDITION.network(SPACES["nasbench201"].sample(random.Random(4)))


@pytest.mark.parametrize("memory", [500_000, 800_000, 10**9])
def test_a_bound_does_not_change_scores(memory: int) -> None:
    expected = evaluate(PROGRAMS, network(), CONDITION.minibatch)
    assert all(score.ok for score in expected)
    assert evaluate(PROGRAMS, network(), CONDITION.minibatch, memory=memory) == expected


def test_reductions_have_the_same_values_and_units_in_every_plan() -> None:
    nodes = reductions(PROGRAMS)
    whole = capture(network(), CONDITION.minibatch, statistics(nodes))
    expected = evaluate_reductions(nodes, whole)
    forwards = []
    for memory in (500_000, 600_000, 800_000, 10**9):
        bounded = BoundedReductions(nodes, network(), CONDITION.minibatch, "auto", memory)
        units, vectors = bounded.evaluate()
        assert units == whole.units
        assert all(vectors[node].equal(expected[node]) for node in nodes)
        forwards.append(bounded.forwards)
        assert bounded.nbytes == whole.nbytes
    # one for data and loss, one for noise and one for perturbed images; and one for the gradient of the images
    assert forwards[-1] == 3 + 1
    assert forwards == sorted(set(forwards), reverse=True)


def test_what_does_not_fit_unit_by_unit_is_refused_with_the_memory_that_it_needs() -> None:
    (score, *_) = evaluate(PROGRAMS, network(), CONDITION.minibatch, memory=10**5)
    assert score.status is Status.MEMORY_LIMIT
    assert score.detail == (
        "MemoryLimitError: memory must be at least 285K for each process to capture conv_in.perturbed, input.data of "
        "this network on 4 images, got 98K, which is the share of each process; the processes divide the memory, so "
        "give more memory, fewer workers or fewer images"
    )


def test_reductions_are_refused_before_the_network_runs_on_all_images() -> None:
    with pytest.raises(MemoryLimitError):
        BoundedReductions(reductions(PROGRAMS), network(), CONDITION.minibatch, "auto", 10**5)


def test_all_statistics_fit_into_enough_memory() -> None:
    nodes = reductions(PROGRAMS)
    assert fits(nodes, network(), CONDITION.minibatch, "auto", None)
    assert fits(nodes, network(), CONDITION.minibatch, "auto", 10**9)
    assert not fits(nodes, network(), CONDITION.minibatch, "auto", 800_000)
