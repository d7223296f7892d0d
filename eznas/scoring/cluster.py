"""Clusters: where networks are run when this machine's processes are not enough.

There is no engine of our own here: joblib's backend for Dask sends the work, and Dask looks after machines.
"""

from __future__ import annotations

import contextlib
import importlib
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from joblib import parallel_config

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["Backend", "Cluster", "cluster", "current_cluster"]

Backend = Literal["loky", "dask"]
"""Processes of this machine, or a Dask cluster."""

_CONNECT = 30.0
"""Seconds that a scheduler has to answer."""

_WORKERS = 300.0
"""Seconds to wait for the first worker: where machines are shared, it may have to queue."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to.

    Args:
        use: Returns a context in which one call of joblib uses it.
        count: Returns how many processes it has now, at least 1; they may come and go.
        died: What is raised when it has given up on a task whose worker died.
        local: Whether its processes share the memory of this machine and end with the block.
    """

    use: Callable[[], AbstractContextManager[Any]]
    count: Callable[[], int]
    died: tuple[type[Exception], ...]
    local: bool


_CURRENT: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


def current_cluster() -> Cluster | None:
    """Return the cluster that ``over_networks`` uses now; None for processes of this machine."""
    return _CURRENT.get()


@contextlib.contextmanager
def cluster(backend: Backend, scheduler: str | None = None, workers: int = 1) -> Iterator[None]:
    """Run networks on a cluster within a ``with`` block; ``"loky"`` changes nothing.

    Args:
        backend: Which kind.
        scheduler: Its address, such as ``tcp://node1:8786``; without one, a cluster of this machine that ends with the
            block.
        workers: Processes of such a cluster.

    Raises:
        InputError: Its package is not installed, or nothing answers at the address.
    """
    if backend == "loky":
        if scheduler is not None:
            raise InputError(f"--scheduler must come with --backend dask, got {scheduler!r} alone")
        yield
        return
    with _dask(scheduler, workers) as connected:
        token = _CURRENT.set(connected)
        try:
            yield
        finally:
            _CURRENT.reset(token)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"--backend dask must have the package {name}, which the extra 'dask' installs: "
            f'pip install "eznas[dask]" ({error})'
        ) from error


@contextlib.contextmanager
def _dask(scheduler: str | None, workers: int) -> Iterator[Cluster]:
    distributed = _package("distributed")
    from eznas.scoring.dask import PromptDaskBackend

    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:  # which closes a worker for good that is not back within 15 s, unless told otherwise
            stack.enter_context(_package("dask").config.set({"distributed.deploy.lost-worker-timeout": "1h"}))
            local = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")
            address = stack.enter_context(local)
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECT, set_as_default=False))
            client.wait_for_workers(1, timeout=_WORKERS)
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise InputError(f"--scheduler must be a Dask scheduler with workers, got {address!r}: {error}") from error
        threads = client.nthreads()
        if max(threads.values()) > 1:
            raise InputError(
                "the workers of a Dask cluster must have one thread each, since each runs one network at a time; "
                "start them by: dask worker --nworkers N --nthreads 1 ADDRESS"
            )

        def use() -> parallel_config:  # a new backend each time: one that was stopped half-way cannot be used again
            return parallel_config(PromptDaskBackend(client=client, wait_for_workers_timeout=_WORKERS))

        yield Cluster(use, lambda: max(1, len(client.nthreads())), (distributed.KilledWorker,), local=scheduler is None)
