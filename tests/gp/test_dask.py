from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp import run_evolution
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import Backend, open_executor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install eznas[dask]")

STARTED, ALONE, TOGETHER = 10.0, 15.0, 35
"""Seconds that workers and a run without them may take before the machine is too slow, and that a run with them may."""


class Advancing(Progress):
    """Does something when the fifth network has been visited."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._left, self._action = 5, action

    def advance(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._action()


@contextlib.contextmanager
def slow_machine_skips(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    if (took := time.monotonic() - begun) > seconds:
        pytest.skip(f"this machine is too slow or too busy: {took:.0f} s for what may take {seconds:.0f} s")


@contextlib.contextmanager
def must_end_within(seconds: int) -> Iterator[None]:
    """Fail where something waits for ever."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"did not end within {seconds} s"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def two_workers() -> Iterator[Any]:
    import dask

    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # a new worker may take its time
    with patient, contextlib.ExitStack() as stack:
        with slow_machine_skips(STARTED):
            local = distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
            )
            made = stack.enter_context(local)
        yield made


def start(path: Path, table: Path, progress: Progress, scheduler: str | None = None) -> list[bytes]:
    options = EvolveConfig(
        table=table,
        networks=12,
        validation_networks=10,
        test_networks=10,
        population=12,
        generations=2,
        library=8,
        patience=2,
        full_networks=0,
        batch_size=4,
        workers=1,
        time_budget=600.0,
    )
    backend: Backend = "dask" if scheduler else "loky"
    with (
        RunDirectory.create(path, options.as_toml(), seed=options.seed, command="test") as directory,
        open_executor(1, backend, scheduler, memory=options.memory) as executor,
    ):
        assert executor.workers == (2 if scheduler else 1)
        run_evolution(options, directory, executor, progress, resume=False)
    return [(path / name).read_bytes() for name in ("hall_of_fame.csv", "test_scores.csv")]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs processes that can be killed")
@pytest.mark.usefixtures("small_networks")
def test_a_cluster_that_loses_a_worker_ends_with_the_same_result(tmp_path: Path, table: Path, two_workers: Any) -> None:
    with slow_machine_skips(ALONE):
        alone = start(tmp_path / "alone", table, Progress())
    lost: list[int] = []

    def lose() -> None:
        lost.append(two_workers.workers[0].pid)
        os.kill(lost[0], signal.SIGKILL)

    with must_end_within(TOGETHER):
        assert start(tmp_path / "cluster", table, Advancing(lose), two_workers.scheduler_address) == alone
    assert lost


@pytest.mark.slow
def test_workers_of_several_threads_are_refused() -> None:
    from eznas.errors import InputError

    local = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
    with (
        local,
        pytest.raises(InputError, match="must have one thread each"),
        open_executor(backend="dask", scheduler=local.scheduler_address),
    ):
        pass
