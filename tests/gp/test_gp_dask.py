from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from eznas.config import EvolveConfig
from eznas.gp import Silent, run_evolution
from eznas.run import RunDirectory
from eznas.scoring import cluster, worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install eznas[dask]")


class Advancing(Silent):
    """Does something when the fifth network has been visited."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._left, self._action = 5, action

    def advance(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._action()


@pytest.fixture
def two_workers() -> Iterator[Any]:
    import dask

    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # a new worker may take its time
    with (
        patient,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as made,
    ):
        yield made


def start(path: Path, table: Path, listener: Silent) -> list[bytes]:
    options = EvolveConfig(
        table=table,
        networks=12,
        validation_networks=10,
        test_networks=10,
        population=12,
        generations=3,
        library=8,
        expansion_every=2,
        batch_size=4,
        workers=1,
        time_budget=600.0,
    )
    with RunDirectory.create(path, options.as_toml(), seed=options.seed, command="test") as directory:
        run_evolution(options, directory, resume=False, listener=listener)
    return [(path / name).read_bytes() for name in ("hall_of_fame.csv", "test_scores.csv")]


@pytest.mark.slow
@pytest.mark.usefixtures("small_networks")
def test_a_cluster_that_loses_a_worker_ends_with_the_same_result(tmp_path: Path, table: Path, two_workers: Any) -> None:
    alone = start(tmp_path / "alone", table, Silent())
    lost: list[int] = []

    def lose() -> None:
        lost.append(two_workers.workers[0].pid)
        os.kill(lost[0], signal.SIGKILL)

    with cluster("dask", two_workers.scheduler_address):
        assert worker_count(1) == 2
        assert start(tmp_path / "cluster", table, Advancing(lose)) == alone
    assert lost


@pytest.mark.slow
def test_workers_of_several_threads_are_refused() -> None:
    from eznas.errors import InputError

    local = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
    with local, pytest.raises(InputError, match="must have one thread each"), cluster("dask", local.scheduler_address):
        pass
