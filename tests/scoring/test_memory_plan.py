from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import eznas.scoring.memory_plan as plans
from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.minibatch import load_minibatch
from eznas.scoring import MemoryPlan, Proxy, score_network
from eznas.scoring.memory_plan import free_memory, memory_bound
from eznas.status import Status

if TYPE_CHECKING:
    from pathlib import Path

BATCH = load_minibatch("digits", 4, pixels=8)


def test_a_size_is_read_and_a_small_one_refused() -> None:
    assert memory_bound("4G", 1) == memory_bound(4 * 2**30, 1) == 4 * 2**30
    for wrong in ("100M", "much", 5):
        with pytest.raises(InputError, match="memory must be a size of at least 512M, such as 4G, got"):
            memory_bound(wrong, 1)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_memory_that_a_refusal_names_is_enough(workers: int) -> None:
    with pytest.raises(InputError, match="memory must be at least") as refused:
        MemoryPlan.of(2**29, workers, pool=True)
    named = str(refused.value).removeprefix("memory must be at least ").split()[0]
    bound = memory_bound(named, workers)
    assert bound is not None
    assert MemoryPlan.of(bound, workers, pool=True).workers == workers


def test_without_a_size_it_is_what_is_free_and_enough_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "free_memory", lambda: 8 * 2**30)
    assert memory_bound(None, 2) == 8 * 2**30
    assert memory_bound(None, 2, "tcp://node:8786") is None
    monkeypatch.setattr(plans, "free_memory", lambda: 10**6)
    for workers in (0, 1, 3):
        bound = memory_bound(None, workers)
        assert bound is not None
        assert MemoryPlan.of(bound, workers or 1).workers == max(workers, 1)
    monkeypatch.setattr(plans, "free_memory", lambda: None)
    assert memory_bound(None, 2) is None


def test_a_control_group_bounds_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_GROUPS", tmp_path)
    free = free_memory()
    assert free is not None
    assert free > 2**20
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    (tmp_path / "memory.current").write_text("1000\n", encoding="utf-8")
    assert free_memory() != 0
    (tmp_path / "memory.max").write_text("5000\n", encoding="utf-8")
    assert free_memory() == 4000


def test_a_single_process_that_keeps_nothing_has_all_of_its_memory() -> None:
    kept, all_of_it = MemoryPlan.of(2**30, 1), MemoryPlan.of(2**30, 1, keep=False)
    assert all_of_it.captures is None
    assert all_of_it.per_call // 2 == kept.per_call


def test_a_measure_whose_graph_does_not_fit_is_refused_and_the_others_are_computed() -> None:
    torch.manual_seed(0)  # with some weights, two images have the same signs and naswot has no value
    convolutions = [part for _ in range(8) for part in (nn.Conv2d(3, 3, 1), nn.ReLU())]
    network = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(192, 10))
    proxies = [Proxy.of(name) for name in ("params", "grad_norm", "naswot")]
    assert MEASURES["grad_norm"].needs >= {"forward", "backward"}
    expected = score_network(proxies, network, BATCH)
    assert all(score.ok for score in expected)
    assert score_network(proxies, network, BATCH, 10**9) == expected
    params, grad_norm, naswot = score_network(proxies, network, BATCH, 40_000)
    assert (params, naswot) == (expected[0], expected[2])
    assert grad_norm.status is Status.MEMORY_LIMIT
    assert grad_norm.detail == (
        "memory must be at least 43K for each process to compute grad_norm on 4 images, got 40K, which is the share of "
        "each process; the processes divide the memory, so give more memory, fewer workers or fewer images"
    )
