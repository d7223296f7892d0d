"""Running one function over many networks, in this process or in several."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, TypeVar

import torch
from joblib import Parallel, delayed, parallel_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["over_networks", "worker_count"]

T = TypeVar("T")


def worker_count(workers: int) -> int:
    """Return the number of processes: 0 means one for each core that this process may use."""
    if workers > 0:
        return workers
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_networks(function: Callable[[str], T], architectures: Sequence[str], workers: int = 1) -> Iterator[T]:
    """Yield ``function(architecture)`` for each architecture, in order, as soon as they are there.

    Every call runs on one torch thread, so the values do not depend on the number of processes.

    Args:
        function: A picklable function.
        architectures: What to call it on.
        workers: Number of processes; 0 for one a core; 1 for this process.
    """
    processes = min(worker_count(workers), max(len(architectures), 1))
    if processes == 1:
        for architecture in architectures:
            yield _alone(function, architecture)
        return
    with parallel_config("loky", n_jobs=processes, inner_max_num_threads=1):
        pool = Parallel(return_as="generator", batch_size=1, pre_dispatch="4*n_jobs", max_nbytes=None)
        yield from pool(delayed(_alone)(function, architecture) for architecture in architectures)


def _alone(function: Callable[[str], T], architecture: str) -> T:
    with _one_thread():
        return function(architecture)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
