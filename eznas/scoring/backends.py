"""Opening an executor: processes of this machine, or a Dask cluster, within a bound on memory."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Literal

from eznas.errors import InputError
from eznas.progress import SILENT, Progress
from eznas.scoring.executor import Executor, LokyExecutor, SerialExecutor, core_count
from eznas.scoring.memory_plan import MemoryPlan, memory_of_remote_worker

if TYPE_CHECKING:
    from collections.abc import Iterator


Backend = Literal["loky", "dask"]
"""Processes of this machine, or a Dask cluster."""


@contextlib.contextmanager
def open_executor(
    workers: int = 0,
    backend: Backend = "loky",
    scheduler: str | None = None,
    *,
    memory: int | None = None,
    progress: Progress = SILENT,
    keep: bool = True,
) -> Iterator[Executor]:
    """Open an executor for a ``with`` block.

    Args:
        workers: Processes; 0 for one per core, or fewer if memory is short. Without effect on a running cluster.
        backend: ``"loky"`` for processes of this machine, ``"dask"`` for a Dask cluster.
        scheduler: Address of the cluster's scheduler, such as ``tcp://node1:8786``; None to start a cluster on this
            machine that ends with the block.
        memory: Bytes for all processes together, or for each worker of a running cluster; None for no bound.
        progress: Shows a message if memory is enough for fewer processes than cores.
        keep: Whether a single process keeps statistics between calls.

    Raises:
        InputError: The memory is too little, Dask is not installed, or nothing answers at the address.
    """
    if backend == "loky":
        if scheduler is not None:
            raise InputError(
                f"scheduler must come with backend 'dask', got {scheduler!r} alone", parameters=("scheduler", "backend")
            )
        yield local_executor(workers, memory, progress, keep=keep)
        return
    for package in ("dask", "distributed"):  # before joblib looks for them, and remembers what it found
        _require(package)
    from eznas.scoring.dask import DaskExecutor, open_client

    plan = None if memory is None or scheduler is not None else MemoryPlan.of(memory, workers, progress, pool=True)
    with open_client(scheduler, plan.workers if plan else workers or core_count()) as client:
        remote = None if memory is None or scheduler is None else memory_of_remote_worker(memory)
        yield DaskExecutor(client, plan.per_call if plan else remote)


def local_executor(
    workers: int = 0, memory: int | None = None, progress: Progress = SILENT, *, keep: bool = True
) -> Executor:
    """Return an executor on this machine; see ``open_executor``."""
    if memory is None:
        workers = workers or core_count()
        return SerialExecutor() if workers == 1 else LokyExecutor(workers)
    plan = MemoryPlan.of(memory, workers, progress, keep=keep)
    return (
        SerialExecutor(plan.per_call, plan.captures) if plan.workers == 1 else LokyExecutor(plan.workers, plan.per_call)
    )


def _require(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"backend 'dask' must have the package {name}, which the extra 'dask' installs: "
            f'pip install "eznas[dask]" ({error})',
            parameters=("backend",),
        ) from error
