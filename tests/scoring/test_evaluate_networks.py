from __future__ import annotations

import random
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import eznas.scoring.evaluate_networks as visits
import eznas.scoring.network_runner as runs
from eznas.minibatch import load_minibatch
from eznas.primitives import Kind
from eznas.programs import parse, reductions
from eznas.scoring import Captures, Condition, Panel
from eznas.scoring.executor import SerialExecutor
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from eznas.capture import Capture
    from eznas.programs import Node

TEXTS = tuple(
    reduction.text
    for reduction in reductions(
        [
            parse("sum(add(mean(sigmoid(norm_out.noise)), effective_rank(weight_grad.loss)))"),
            parse("sum(mul(dot(input.data, conv_in.perturbed), mean_square(image_grad.data)))"),
            parse("sum(lp_norm(correlation(norm_out.data), 3))"),
        ]
    )
)
CONDITION = Condition.of(
    "nasbench201", Fidelity("tiny", cells=1, channels=4, pixels=8, batch=6), 3, load_minibatch("digits", 8, pixels=16)
)
RNG = random.Random(2)
ARCHITECTURES = [SPACES["nasbench201"].sample(RNG) for _ in range(6)]
ALONE = [visits.evaluate_networks(CONDITION, TEXTS, None, None, [architecture])[0] for architecture in ARCHITECTURES]


@pytest.mark.parametrize("memory", [None, 10**8, 10**6, 3 * 10**5])
@pytest.mark.parametrize("keep", [False, True])
def test_networks_visited_together_give_what_each_gives_alone(memory: int | None, *, keep: bool) -> None:
    together = visits.evaluate_networks(CONDITION, TEXTS, memory, Captures(10**7) if keep else None, ARCHITECTURES)
    for alone, vectors in zip(ALONE, together, strict=True):
        assert (vectors.units, vectors.failure) == (alone.units, "")
        assert np.array_equal(vectors.values, alone.values, equal_nan=True)


def test_networks_are_evaluated_as_soon_as_they_hold_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = _watch(monkeypatch)
    visits.evaluate_networks(CONDITION, TEXTS, None, None, ARCHITECTURES)
    assert batches == [6]
    batches.clear()
    monkeypatch.setattr(visits, "TOGETHER", max(alone.captured for alone in ALONE) + 1)
    visits.evaluate_networks(CONDITION, TEXTS, None, None, ARCHITECTURES)
    assert sum(batches) == 6
    assert max(batches) < 6


def test_a_network_that_fails_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it cannot be built, or its statistics cannot be evaluated."""
    evaluate = visits.evaluate_captures
    second = ALONE[1].units

    def fails(nodes: Sequence[Node], captures: Sequence[Capture], *, memory: int | None) -> list[Tensor]:
        if any(len(captured.units) == second for captured in captures):
            raise MemoryError("too large")
        return evaluate(nodes, captures, memory=memory)

    monkeypatch.setattr(visits, "evaluate_captures", fails)
    found = visits.evaluate_networks(CONDITION, TEXTS, None, None, ["|no such cell|", *ARCHITECTURES])
    assert "no such cell" in found[0].failure
    for alone, vectors in zip(ALONE, found[1:], strict=True):
        if alone.units == second:
            assert vectors.failure == "it failed: MemoryError: too large"
            assert vectors.values.shape == (len(TEXTS), 0)
        else:
            assert np.array_equal(vectors.values, alone.values, equal_nan=True)
    assert any(not vectors.failure for vectors in found)


def test_what_did_not_fit_is_let_go_before_networks_are_evaluated_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, large = visits.evaluate_captures, list[weakref.ref[np.ndarray[tuple[int], np.dtype[np.float64]]]]()

    def fails(nodes: Sequence[Node], captures: Sequence[Capture], *, memory: int | None) -> list[Tensor]:
        if len(captures) > 1:
            held = np.zeros(10)
            large.append(weakref.ref(held))
            raise MemoryError("too large")
        assert large[0]() is None
        return evaluate(nodes, captures, memory=memory)

    monkeypatch.setattr(visits, "evaluate_captures", fails)
    found = visits.evaluate_networks(CONDITION, TEXTS, None, None, ARCHITECTURES)
    assert [vectors.failure for vectors in found] == [""] * 6
    assert large


@pytest.mark.parametrize(("memory", "first"), [(None, "|no such cell|"), (3 * 10**5, None)])
def test_networks_are_visited_singly_until_one_says_how_much_it_takes(
    monkeypatch: pytest.MonkeyPatch, memory: int | None, first: str | None
) -> None:
    """Where the first fails, and where networks are visited in parts."""
    original, batches = runs.evaluate_networks, list[int]()

    def watched(*args: Any, **limits: Any) -> list[visits.Vectors]:
        batches.append(len(args[-1]))
        return original(*args, **limits)

    monkeypatch.setattr(runs, "evaluate_networks", watched)
    architectures = [first, *ARCHITECTURES] if first else ARCHITECTURES
    panel = Panel(CONDITION, architectures, executor=SerialExecutor(memory))
    panel.extend([parse(text, Kind.UNIT) for text in TEXTS])
    assert sum(batches) == len(architectures)
    assert batches == ([1, 1, 5] if first else [1, 5])


def _watch(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes how many networks are evaluated together."""
    evaluate, batches = visits.evaluate_captures, list[int]()

    def watched(nodes: Sequence[Node], captures: Sequence[Capture], *, memory: int | None) -> list[Tensor]:
        batches.append(len(captures))
        return evaluate(nodes, captures, memory=memory)

    monkeypatch.setattr(visits, "evaluate_captures", watched)
    return batches
