from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from eznas.errors import EznasError, InputError
from eznas.scoring import MemoryPlan, local_executor, open_executor
from eznas.scoring.condition import _digest, fingerprint, installation
from eznas.scoring.evaluate_networks import NetworkBatch
from eznas.scoring.executor import LokyExecutor, PoolExecutor, is_over
from eznas.scoring.memory_plan import memory_of_remote_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WORDS = [str(number) for number in range(12)]
kills = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs processes that can be killed")


def _double(word: str) -> str:
    return 2 * word


def _die_together(batch: NetworkBatch) -> list[str]:
    """Double words, but kill the process that runs the fourth word."""
    if "3" in batch:
        os.kill(os.getpid(), signal.SIGKILL)
    return [2 * word for word in batch]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_network_comes_back_once_with_its_result(workers: int) -> None:
    found = list(local_executor(workers).map(_double, WORDS))
    assert sorted(found) == sorted((word, 2 * word) for word in WORDS)


def test_nothing_gives_nothing() -> None:
    assert list(local_executor(2).map(_double, [])) == []


def test_a_network_that_always_costs_its_worker_is_named_and_what_came_before_is_kept() -> None:
    found: dict[str, str] = {}
    with pytest.raises(
        EznasError, match="the process that ran 3 ended 2 times without a result, as a process does that"
    ):
        found.update(Pool(2, killer="3").map(_double, WORDS))
    assert found == {word: 2 * word for word in ("0", "1", "2")}


def _allowed_growth(_: str) -> float:
    from joblib.externals.loky import process_executor

    assert "_MAX_MEMORY_LEAK_SIZE" in process_executor._process_worker.__code__.co_names  # loky still reads it
    return float(process_executor._MAX_MEMORY_LEAK_SIZE)


@pytest.mark.parametrize("memory", [None, 2**30])
def test_a_worker_is_not_replaced_until_it_keeps_more_than_a_call_may_take(memory: int | None) -> None:
    found = dict(LokyExecutor(2, memory).map(_allowed_growth, WORDS[:2]))
    assert set(found.values()) == {float("inf") if memory is None else float(2**30)}


@kills
def test_networks_that_cost_their_workers_get_a_result_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.scoring.executor._PATIENCE", 1)  # each death costs seconds: new processes import torch
    batches = [NetworkBatch(WORDS[start : start + 4]) for start in range(0, len(WORDS), 4)]
    found = dict(
        local_executor(2).map(_die_together, batches, singly=NetworkBatch.singly, lost=lambda *said: [*map(str, said)])
    )
    name, sentence = found.pop(NetworkBatch(["3"]))
    assert name == "3"
    assert sentence.startswith("the process that ran 3 ended 1 times without a result, as a process does that runs out")
    assert {word for batch in found for word in batch} == {*WORDS} - {"3"}
    assert all(result == [2 * word for word in batch] for batch, result in found.items())


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_begins_after_the_deadline_but_the_first_items(workers: int) -> None:
    executor = local_executor(workers)
    assert list(executor.map(_double, WORDS, deadline=time.time() - 1)) == []
    some = executor.map(_double, WORDS, deadline=time.time() - 1, least=3)
    assert sorted(some) == [("0", "00"), ("1", "11"), ("2", "22")]
    assert len(list(executor.map(_double, WORDS, deadline=time.time() + 600))) == len(WORDS)


def test_the_first_items_run_after_the_deadline_also_where_they_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(2, dies=True)
    batches = [NetworkBatch(WORDS[start : start + 4]) for start in range(0, len(WORDS), 4)]
    monkeypatch.setattr("eznas.scoring.executor._CAREFUL", 3)
    found = [batch for batch, _ in pool.map(str, batches, singly=NetworkBatch.singly, deadline=1.0, least=2)]
    assert found == NetworkBatch(WORDS[:8]).singly()
    assert pool.sent == [(3, 8), *3 * [(1, 8)], (9, 8)]


def test_an_item_that_began_before_the_deadline_ends() -> None:
    found = list(local_executor(1).map(_sleep, [0.05, 0.3, 0.05, 0.05], deadline=time.time() + 0.2))
    assert found == [(0.05, 0.05), (0.3, 0.3)]


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_loky_takes_no_scheduler() -> None:
    with open_executor(3) as executor:
        assert executor.workers == 3
    with (
        pytest.raises(InputError, match="scheduler must come with backend 'dask', got"),
        open_executor(scheduler="tcp://a"),
    ):
        pass


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # the import system then says that there is none
    sentence = r"backend 'dask' must have the package distributed, .* pip install \"eznas\[dask\]\""
    with pytest.raises(InputError, match=sentence), open_executor(backend="dask"):
        pass


class Pool(PoolExecutor):
    """Runs calls in this process and remembers how many items were sent, and how many were in hand.

    Args:
        workers: The number of workers that it claims to have.
        dies: Whether a worker dies at once, the first time.
        killer: An item that kills its worker every time.
    """

    def __init__(self, workers: int, *, dies: bool = False, killer: str = "") -> None:
        super().__init__()
        self.count, self.dies, self.killer = workers, dies, killer
        self.sent: list[tuple[int, int]] = []

    @property
    def workers(self) -> int:
        return self.count

    def pool(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _send(
        self, function: Callable[[Any], Any], calls: Mapping[int, Any], ahead: int
    ) -> Iterator[tuple[int, list[Any]]]:
        self.sent.append((len(calls), ahead))
        if self.dies and len(self.sent) == 1:
            raise CancelledError
        for index, call in calls.items():
            if call.item == self.killer:
                raise CancelledError
            yield index, [] if is_over(call.deadline) else [function(call.item)]


def test_as_much_is_in_hand_as_there_are_workers_now() -> None:
    pool = Pool(1)
    assert len(list(pool.map(_double, WORDS))) == len(WORDS)
    pool.count = 3
    assert len(list(pool.map(_double, WORDS))) == len(WORDS)
    assert pool.sent == [(12, 4), (12, 12)]


def test_after_a_death_a_few_networks_are_run_one_at_a_time_and_then_all_again() -> None:
    pool, words = Pool(100, dies=True), [str(number) for number in range(1000)]
    assert dict(pool.map(_double, words)) == {word: 2 * word for word in words}
    assert pool.sent == [(1000, 400), *8 * [(1, 400)], (992, 400)]


def test_a_single_item_runs_in_this_process_unless_another_result_can_replace_its_own() -> None:
    assert dict(LokyExecutor(2).map(_process, ["a"])) == {"a": os.getpid()}
    assert dict(LokyExecutor(2).map(_process, ["a"], lost=lambda *_: 0))["a"] not in (0, os.getpid())
    assert os.getpid() not in dict(LokyExecutor(2).map(_process, ["a", "b"])).values()


def _process(_: str) -> int:
    return os.getpid()


@kills
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """One of two workers computes for ever, the other one waits."""
    code = """
import os, sys, time
from pathlib import Path
import torch
from eznas.scoring import local_executor

def work(word):
    folder, square = Path(sys.argv[1]), torch.ones(200, 200)
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.1)
    while word == "a":
        square = square @ square
    return word

for word, _ in local_executor(2).map(work, ["a", "b"]):
    (Path(sys.argv[1]) / "one waits").touch()
"""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as started:
        assert _within(120, lambda: len(list(tmp_path.iterdir())) == 3)
        workers = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
        assert len(workers) == 2
        assert all(map(_lives, workers))
        started.kill()
    assert _within(30, lambda: not any(map(_lives, workers)))


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def _lives(process: int) -> bool:
    """Whether a process runs; a process that nobody waits for is none."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_memory_of_a_cluster_that_runs_already_is_that_of_each_worker() -> None:
    assert 2**29 <= memory_of_remote_worker(2**30) < 0.75 * 2**30
    with pytest.raises(InputError, match=r"memory must be at least 406M, which each worker of the cluster may"):
        memory_of_remote_worker(2**28)
    assert MemoryPlan.of(2**30, 1, pool=True).captures is None  # they would be sent to the worker with every network
    assert MemoryPlan.of(2**30, 1).captures is not None


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
    monkeypatch.setattr("eznas.scoring.dask._CONNECT", 0.5)
    with (
        pytest.raises(InputError, match=r"scheduler must be a Dask scheduler with workers, got 'tcp://127\.0\.0\.1:9'"),
        open_executor(backend="dask", scheduler="tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
def test_a_device_that_is_not_there_is_one_sentence() -> None:
    from eznas.scoring import resolve_device

    with pytest.raises(InputError, match="device must be auto or a device that works here, got 'cuda'") as caught:
        resolve_device("cuda")
    assert "\n" not in str(caught.value)


def test_workers_with_other_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eznas.scoring.executor.installation", lambda: "2.0|abc")
    with pytest.raises(EznasError, match=r"every worker must have the code and the torch .*, 2\.0\|abc, got"):
        list(local_executor(2).map(_double, WORDS))
