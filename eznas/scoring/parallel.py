"""Running one function over many networks: in this process, in several, or on a cluster."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from joblib import Parallel, delayed, parallel_config

from eznas.errors import EznasError
from eznas.scoring.cluster import current_cluster
from eznas.scoring.condition import installation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

__all__ = ["over_networks", "worker_count"]

T = TypeVar("T")
Item = TypeVar("Item", bound="Hashable")

_AHEAD = 4
"""Networks in hand for each worker, so that none waits for the next."""

_CAREFUL = 8
"""Networks that are run one at a time after a worker died, before all workers work again."""

_PATIENCE = 2
"""Workers that one network, run by itself, may cost."""

_ALONE = threading.Lock()


def worker_count(workers: int) -> int:
    """Return the number of processes: 0 means one for each core that this process may use; a cluster has its own."""
    if (cluster := current_cluster()) is not None:
        return cluster.count()
    if workers > 0:
        return workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_networks(
    function: Callable[[Item], T],
    architectures: Sequence[Item],
    workers: int = 1,
    *,
    singly: Callable[[Item], Sequence[Item]] = lambda item: [item],
) -> Iterator[tuple[Item, T]]:
    """Yield ``(architecture, function(architecture))`` for each architecture, as soon as it is there, in any order.

    Every call runs on one torch thread, so the values do not depend on the number of processes. Within a ``cluster``
    block its workers do the work. When a worker dies, as one does that runs out of memory, another takes its place,
    and what it had in hand is done again, the first few networks one at a time: should one of them be the cause, it
    shows, if not at once then after another worker.

    Args:
        function: A picklable function.
        architectures: What to call it on.
        workers: Number of processes; 0 for one a core; 1 for this process. Without effect on a cluster.
        singly: Cuts what is run at once into what is run instead after a worker died.

    Raises:
        EznasError: A network cost several workers in a row, or a worker of the cluster has other code.
    """
    cluster, processes = current_cluster(), min(worker_count(workers), max(len(architectures), 1))
    if cluster is None and processes == 1:
        for architecture in architectures:
            yield architecture, _alone(function, architecture)
        return
    died: tuple[type[Exception], ...] = (CancelledError, BrokenProcessPool)
    if cluster is not None:
        died = (CancelledError, *cluster.died)
    left, deaths, careful = dict(enumerate(architectures)), 0, False
    while left:
        ahead = 1 if careful else _AHEAD * processes
        batch = dict(islice(left.items(), _CAREFUL if careful else len(left)))
        try:
            for index, result in _sent(function, batch, processes, ahead):
                yield left.pop(index), result
                deaths = 0
            careful = False
        except died as error:
            deaths += careful
            if deaths == _PATIENCE:
                item = next(iter(left.values()))
                raise EznasError(
                    f"the process that ran {item} ended {deaths} times without a result, as one does that runs out of "
                    f"memory ({type(error).__name__}); give it more memory, or take smaller "
                    "networks or batches; nothing that was computed is lost"
                ) from error
            careful = True
            left = dict(enumerate([single for item in left.values() for single in singly(item)]))


def _sent(function: Callable[[Item], T], batch: dict[int, Item], processes: int, ahead: int) -> Iterator[tuple[int, T]]:
    """Yield index and result of each item, in any order, with at most ``ahead`` of them in hand."""
    cluster, call = current_cluster(), delayed(_numbered)
    with cluster.use() if cluster else parallel_config("loky", n_jobs=processes, inner_max_num_threads=1):
        pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=ahead, max_nbytes=None)
        before = threading.excepthook
        threading.excepthook = functools.partial(_without_the_pool, before)
        yield from pool(call(function, index, item, installation()) for index, item in batch.items())
        threading.excepthook = before  # else it stays: the pool is torn down, and its thread may end later


def _without_the_pool(before: Callable[[threading.ExceptHookArgs], object], failure: threading.ExceptHookArgs) -> None:
    """Report what ended a thread, unless it is the one of loky, whose processes are taken away from it."""
    if failure.thread is None or "ExecutorManager" not in failure.thread.name:
        before(failure)


def _numbered(function: Callable[[Item], T], index: int, item: Item, expected: str) -> tuple[int, T]:
    if (found := installation()) != expected:
        raise EznasError(
            f"every worker must have the code and the torch of the process that asks, {expected}, got {found}; "
            "install the same on all machines"
        )
    return index, _alone(function, item)


def _alone(function: Callable[[Item], T], item: Item) -> T:
    """Call the function on one thread, while no other thread of this process does the same."""
    with _ALONE, _one_thread():
        return function(item)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
