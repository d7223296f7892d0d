"""An executor on a Dask cluster: joblib's backend for Dask sends the calls, and Dask looks after machines."""

from __future__ import annotations

import contextlib
import importlib
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from eznas.errors import EznasError, InputError
from eznas.scoring.executor import PoolExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_CONNECT = 30.0
"""Seconds that a scheduler has to answer."""

_WORKERS = 300.0
"""Seconds to wait for the first worker, which may have to queue on shared machines."""


class DaskExecutor(PoolExecutor):
    """Runs calls on the workers of a Dask cluster, of one thread each.

    Args:
        client: Connected to the cluster.
        memory: See ``Executor``.
    """

    def __init__(self, client: Any, memory: int | None = None) -> None:
        super().__init__(memory)
        self._client = client
        self.died = (CancelledError, importlib.import_module("distributed").KilledWorker)

    @property
    def workers(self) -> int:
        """The number of workers that the cluster has now, at least 1."""
        return max(1, len(self._client.nthreads()))

    def pool(self) -> parallel_config:
        """Return a new backend: a backend that was stopped half-way cannot be used again."""
        return parallel_config(_PromptBackend(client=self._client, wait_for_workers_timeout=_WORKERS))


@contextlib.contextmanager
def open_client(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Connect to a cluster, or start a cluster on this machine that ends with the block.

    Args:
        scheduler: The cluster's address, such as ``tcp://node1:8786``; None to start a cluster.
        workers: Processes of a cluster that is started.

    Raises:
        InputError: Nothing answers at the address, or a worker has several threads.
    """
    distributed = importlib.import_module("distributed")
    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:  # Dask closes a worker for good that is not back within 15 s, unless told otherwise
            stack.enter_context(
                importlib.import_module("dask").config.set({"distributed.deploy.lost-worker-timeout": "1h"})
            )
            local = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
            address = stack.enter_context(local)
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECT, set_as_default=False))
            client.wait_for_workers(1, timeout=_WORKERS)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise InputError(
                f"scheduler must be a Dask scheduler with workers, got {address!r}: {error}", parameters=("scheduler",)
            ) from error
        if max(client.nthreads().values()) > 1:
            raise InputError(
                "the workers of a Dask cluster must have one thread each, since each runs one network at a time; "
                "start them by: dask worker --nworkers N --nthreads 1 ADDRESS"
            )
        yield client


class _PromptBackend(DaskDistributedBackend):  # type: ignore[misc] # joblib has no types
    """joblib's own backend, which waits for ever where a task failed without a result.

    joblib expects that every backend calls back for each task. Its backend for Dask does so for a task that raised,
    since the exception is its result, but not where Dask itself fails a task, as when its worker died several times.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the number of workers, and never 1: joblib would then run the tasks in this process.

        Raises:
            EznasError: The cluster has no worker, and none came within the timeout.
        """
        try:
            workers: int = super().effective_n_jobs(n_jobs)
        except TimeoutError as error:
            raise EznasError(
                f"the Dask cluster has had no worker for {self.wait_for_workers_timeout:.0f} seconds; start workers, "
                "and resume"
            ) from error
        return max(2, workers)

    def submit(self, func: Callable[..., Any], callback: Callable[[Any], None] | None = None) -> Future[Any]:
        """Send a task, and call back also if the task fails."""
        future: Future[Any] = super().submit(func, callback)
        if callback is not None:
            future.add_done_callback(lambda done: callback(done) if done.exception() else None)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the result of a task, or raise its exception."""
        if isinstance(out, Future):
            return out.result()
        if isinstance(out, BaseException):  # Dask's report of a task that was cancelled, as when the scheduler ends
            raise out
        return super().retrieve_result_callback(out)
