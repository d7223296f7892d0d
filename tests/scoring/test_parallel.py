from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
import torch

from eznas.errors import EznasError, InputError
from eznas.scoring import MemoryPlan, cluster, over_networks, worker_count
from eznas.scoring.cluster import _CURRENT, Cluster, current_cluster
from eznas.scoring.condition import _digest, fingerprint, installation
from eznas.scoring.evaluate_networks import NetworkBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORDS = [str(number) for number in range(12)]
kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs processes that can be killed")


def _double(word: str) -> str:
    return 2 * word


def _die_once(flag: Path, word: str) -> str:
    """Kill the process that runs the fourth word, the first time."""
    if word == "3" and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * word


def _die(_: Path, word: str) -> str:
    """Kill the process that runs the fourth word, every time."""
    if word == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * word


@pytest.mark.parametrize("workers", [1, 2])
def test_every_network_comes_back_once_with_its_result(workers: int) -> None:
    found = list(over_networks(_double, WORDS, workers))
    assert sorted(found) == sorted((word, 2 * word) for word in WORDS)


def test_nothing_gives_nothing() -> None:
    assert list(over_networks(_double, [], 2)) == []


@kills
def test_a_worker_that_dies_is_replaced_and_its_networks_are_done_again(tmp_path: Path) -> None:
    found = list(over_networks(functools.partial(_die_once, tmp_path / "flag"), WORDS, 2))
    assert (tmp_path / "flag").exists()
    assert sorted(found) == sorted((word, 2 * word) for word in WORDS)


@kills
def test_a_network_that_always_costs_its_worker_is_named_and_what_came_before_is_kept(tmp_path: Path) -> None:
    found: dict[str, str] = {}
    with pytest.raises(EznasError, match="the process that ran 3 ended 2 times without a result, as one does that"):
        found.update(over_networks(functools.partial(_die, tmp_path), WORDS, 2))
    assert {"0", "1", "2"} <= set(found)
    assert all(result == 2 * word for word, result in found.items())
    assert list(over_networks(_double, ["a"], 1)) == [("a", "aa")]  # and life goes on


@kills
def test_networks_that_were_visited_together_are_run_singly_after_a_death(tmp_path: Path) -> None:
    found: dict[NetworkBatch, list[str]] = {}
    batches = [NetworkBatch(WORDS[start : start + 4]) for start in range(0, len(WORDS), 4)]
    with pytest.raises(EznasError, match="the process that ran 3 ended 2 times without a result"):
        found.update(over_networks(functools.partial(_die_together, tmp_path), batches, 2, singly=NetworkBatch.singly))
    assert {("0",), ("1",), ("2",)} <= set(found)
    assert all(result == [2 * word for word in batch] for batch, result in found.items())


def _die_together(folder: Path, batch: NetworkBatch) -> list[str]:
    return [_die(folder, word) for word in batch]


def test_workers_with_other_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.scoring.parallel.installation", lambda: "2.0|abc")
    with pytest.raises(EznasError, match=r"every worker must have the code and the torch .*, 2\.0\|abc, got"):
        list(over_networks(_double, WORDS, 2))


def test_loky_is_no_cluster_and_takes_no_scheduler() -> None:
    with cluster("loky"):
        assert current_cluster() is None
        assert worker_count(3) == 3
    with (
        pytest.raises(InputError, match="--scheduler must come with --backend dask, got"),
        cluster("loky", "tcp://a"),
    ):
        pass


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # the import system then says that there is none
    sentence = r'--backend dask must have the package distributed, .* pip install "eznas\[dask\]"'
    with pytest.raises(InputError, match=sentence), cluster("dask"):
        pass


@contextlib.contextmanager
def within(connected: Cluster) -> Iterator[None]:
    """Pretend to be connected to a cluster."""
    token = _CURRENT.set(connected)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def test_the_workers_of_a_cluster_are_counted_when_they_are_needed() -> None:
    now = [2]
    with within(Cluster(contextlib.nullcontext, lambda: now[0], (), local=False)):
        assert worker_count(1) == 2
        now[0] = 40
        assert worker_count(1) == 40


def test_as_much_is_in_hand_as_the_cluster_has_workers_now(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def sent(function: Callable[[str], str], batch: dict[int, str], _: int, ahead: int) -> Iterator[tuple[int, str]]:
        seen.append(ahead)
        yield from ((index, function(item)) for index, item in batch.items())

    monkeypatch.setattr("eznas.scoring.parallel._sent", sent)
    now = [1]
    with within(Cluster(contextlib.nullcontext, lambda: now[0], (), local=False)):
        assert len(list(over_networks(_double, WORDS))) == len(WORDS)
        now[0] = 3
        assert len(list(over_networks(_double, WORDS))) == len(WORDS)
    assert seen == [4, 12]


def test_after_a_death_a_few_networks_are_run_one_at_a_time_and_then_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def sent(function: Callable[[str], str], batch: dict[int, str], _: int, ahead: int) -> Iterator[tuple[int, str]]:
        seen.append((len(batch), ahead))
        if len(seen) == 1:
            raise CancelledError
        yield from ((index, function(item)) for index, item in batch.items())

    monkeypatch.setattr("eznas.scoring.parallel._sent", sent)
    words = [str(number) for number in range(1000)]
    with within(Cluster(contextlib.nullcontext, lambda: 100, (), local=False)):
        assert dict(over_networks(_double, words)) == {word: 2 * word for word in words}
    assert seen == [(1000, 400), (8, 1), (992, 400)]


def test_memory_is_that_of_each_worker_of_a_cluster_that_was_there_before() -> None:
    said: list[str] = []
    with within(Cluster(contextlib.nullcontext, lambda: 100, (), local=False)):
        budget = MemoryPlan.of(2**30, 0, said.append)
        assert (budget.workers, budget.kept, said) == (100, None, [])
        assert 2**29 <= budget.visit < 0.75 * 2**30
        with pytest.raises(InputError, match=r"--memory must be at least 0\.4G, which each worker of the cluster may"):
            MemoryPlan.of(2**28, 0)
    with within(Cluster(contextlib.nullcontext, lambda: 1, (), local=True)):
        assert MemoryPlan.of(2**30, 0).kept is None  # which would be sent to the worker with every network
    assert MemoryPlan.of(2**30, 1).kept is not None


def test_what_workers_must_have_in_common_is_every_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for package in (one, other):
        (package / "deep").mkdir(parents=True)
        (package / "deep" / "a.py").write_text("A = 1\n", encoding="utf-8")
    assert _digest(one) == _digest(other)
    (other / "deep" / "a.py").write_text("A = 2\n", encoding="utf-8")
    assert _digest(one) != _digest(other)
    assert installation().startswith(torch.__version__)
    assert installation() != fingerprint()  # which is part of the keys of stored vectors


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install eznas[dask]")
    monkeypatch.setattr(sys.modules["eznas.scoring.cluster"], "_CONNECT", 0.5)  # the name is that of a function too
    with (
        pytest.raises(
            InputError, match=r"--scheduler must be a Dask scheduler with workers, got 'tcp://127\.0\.0\.1:9'"
        ),
        cluster("dask", "tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
def test_a_device_that_is_not_there_is_one_sentence() -> None:
    from eznas.scoring import resolve_device

    with pytest.raises(InputError, match="--device must be auto or a device that works here, got 'cuda'") as caught:
        resolve_device("cuda")
    assert "\n" not in str(caught.value)
