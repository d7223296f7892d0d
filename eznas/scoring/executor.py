"""Executors: where a function runs over many networks, in this process or in several.

Every call runs on one torch thread, so values do not depend on the number of processes.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
import math
import os
import threading
import time
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import cloudpickle
import torch
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import process_executor

from eznas.errors import EznasError
from eznas.scoring.condition import installation
from eznas.scoring.plugin import plugin_digests, use_plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from eznas.scoring.captures import Captures


T = TypeVar("T")
Item = TypeVar("Item", bound="Hashable")

_AHEAD = 4
"""Items in hand for each worker, so that no worker waits for the next."""

_CAREFUL = 8
"""Items that run one at a time after a worker died, before all workers work again."""

_PATIENCE = 2
"""Workers that one item, run by itself, may cost."""

_ORPHAN_SECONDS = 1.0
"""How often a worker looks whether the process that started it still lives."""

_IDLE_SECONDS = 7 * 24 * 3600.0
"""Seconds after which an idle worker ends, far longer than any step that runs no network."""

_ALONE = threading.Lock()


def core_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_over(deadline: float | None) -> bool:
    """Return whether a deadline, a value of ``time.time()``, has passed; None for no deadline."""
    return deadline is not None and time.time() >= deadline


class Executor(abc.ABC):
    """Runs a function over items, such as networks.

    Args:
        memory: Bytes that one call may take; None for no bound.
        captures: Statistics that are kept between calls; None where calls run in other processes.
    """

    def __init__(self, memory: int | None = None, captures: Captures | None = None) -> None:
        self.memory = memory
        self.captures = captures

    @property
    @abc.abstractmethod
    def workers(self) -> int:
        """The number of processes that run calls now."""

    @abc.abstractmethod
    def map(
        self,
        function: Callable[[Item], T],
        items: Sequence[Item],
        *,
        singly: Callable[[Item], Sequence[Item]] = lambda item: [item],
        lost: Callable[[Item, str], T] | None = None,
        deadline: float | None = None,
        least: int = 0,
    ) -> Iterator[tuple[Item, T]]:
        """Yield ``(item, function(item))`` for each item as soon as it is computed, in any order.

        Args:
            function: A picklable function.
            items: The arguments.
            singly: Splits an item into the items that run in its place after a worker died.
            lost: Gives the result of an item that cost several workers in a row, from the item and a sentence that says
                so; None to raise an exception.
            deadline: The value of ``time.time()`` from which on no item begins; the iteration ends without the items
                that have not begun. None for no deadline.
            least: The number of first items that run in any case.

        Raises:
            EznasError: An item cost several workers in a row and ``lost`` is None, or a worker has other code.
        """


class SerialExecutor(Executor):
    """Runs every call in this process."""

    @property
    def workers(self) -> int:
        """One: this process."""
        return 1

    def map(
        self,
        function: Callable[[Item], T],
        items: Sequence[Item],
        *,
        singly: Callable[[Item], Sequence[Item]] = lambda item: [item],
        lost: Callable[[Item, str], T] | None = None,
        deadline: float | None = None,
        least: int = 0,
    ) -> Iterator[tuple[Item, T]]:
        """Call the function on one item after another."""
        del singly, lost
        for index, item in enumerate(items):
            if index >= least and is_over(deadline):
                return
            yield item, _on_one_thread(function, item)


SERIAL = SerialExecutor()
"""Runs every call in this process, without a bound on memory."""


@dataclass(frozen=True)
class _Call(Generic[Item]):
    """One call of a function.

    Args:
        item: The argument.
        deadline: See ``Executor.map``; None where the call runs in any case.
    """

    item: Item
    deadline: float | None

    def split(self, singly: Callable[[Item], Sequence[Item]]) -> list[Self]:
        """Return the calls that run in its place after a worker died."""
        return [dataclasses.replace(self, item=item) for item in singly(self.item)]


def _give_up(item: Item, error: Exception, lost: Callable[[Item, str], T] | None) -> T:
    """Return the result of an item that cost several workers in a row, or raise."""
    sentence = (
        f"the process that ran {item} ended {_PATIENCE} times without a result, as a process does that runs out of "
        f"memory ({type(error).__name__})"
    )
    if lost is None:
        raise EznasError(
            f"{sentence}; give it more memory, or use smaller networks or batches; all results so far are kept"
        ) from error
    return lost(item, sentence)


class PoolExecutor(Executor):
    """Runs calls in a pool of processes through joblib.

    When a worker dies, as a worker does that runs out of memory, another worker takes its place, and the items that it
    had in hand run again. The first few of them run one at a time: the item that kills its worker then shows.
    """

    died: tuple[type[Exception], ...] = (CancelledError, BrokenProcessPool)
    """The exceptions by which joblib reports the death of a worker."""

    children = False
    """Whether the workers are child processes, which end with this process."""

    @abc.abstractmethod
    def pool(self) -> AbstractContextManager[Any]:
        """Return a context in which one call of joblib uses the pool."""

    def map(
        self,
        function: Callable[[Item], T],
        items: Sequence[Item],
        *,
        singly: Callable[[Item], Sequence[Item]] = lambda item: [item],
        lost: Callable[[Item, str], T] | None = None,
        deadline: float | None = None,
        least: int = 0,
    ) -> Iterator[tuple[Item, T]]:
        """Call the function in the pool's processes.

        A single item runs in this process, unless ``lost`` is there to replace its result should the process die.
        """
        if self.children and len(items) == 1 and lost is None:
            yield from SERIAL.map(function, items, deadline=deadline, least=least)
            return
        left = dict(enumerate([_Call(item, None if index < least else deadline) for index, item in enumerate(items)]))
        deaths, careful = 0, 0  # calls that still go alone
        while left:
            ahead = _AHEAD * min(self.workers, len(items))
            batch = dict(islice(left.items(), 1 if careful else len(left)))
            dead: Exception | None = None
            try:
                for index, results in self._send(function, batch, ahead):
                    item, deaths = left.pop(index).item, 0
                    for result in results:
                        yield item, result
            except self.died as error:
                dead = error
            if dead is not None:
                deaths += careful > 0
                if deaths == _PATIENCE:
                    item, deaths = left.pop(next(iter(left))).item, 0
                    yield item, _give_up(item, dead, lost)
                left = dict(enumerate([call for several in left.values() for call in several.split(singly)]))
            careful = max(careful - 1, 0) if dead is None else _CAREFUL

    def _send(
        self, function: Callable[[Item], T], calls: Mapping[int, _Call[Item]], ahead: int
    ) -> Iterator[tuple[int, list[T]]]:
        """Yield index and result of each call, in any order, with at most ``ahead`` calls in hand.

        A call that did not begin before its deadline has no result.
        """
        pickled = cloudpickle.dumps(function)  # workers unpickle it after they have loaded the plugins that it may use
        parent = os.getpid() if self.children else None
        run = delayed(functools.partial(_run_call, pickled, plugin_digests(), installation(), parent, self.memory))
        with self.pool():
            pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=ahead, max_nbytes=None)
            before = threading.excepthook
            threading.excepthook = functools.partial(_ignore_pool_thread, before)
            yield from pool(run(index, call) for index, call in calls.items())
            threading.excepthook = before  # kept after a failure: the pool's thread may end later


class LokyExecutor(PoolExecutor):
    """Runs calls in processes of this machine.

    Args:
        workers: The number of processes.
        memory: See ``Executor``.
    """

    children = True

    def __init__(self, workers: int, memory: int | None = None) -> None:
        super().__init__(memory)
        self._workers = workers

    @property
    def workers(self) -> int:
        """The number of processes."""
        return self._workers

    def pool(self) -> AbstractContextManager[Any]:
        """Return joblib's own pool of processes, which start once and end with this process."""
        context: AbstractContextManager[Any] = parallel_config(
            "loky", n_jobs=self._workers, inner_max_num_threads=1, idle_worker_timeout=_IDLE_SECONDS
        )
        return context


def _allow_growth(memory: int | None) -> None:
    """Let a worker keep freed memory up to the bytes that one call may take; None for no bound.

    loky replaces a worker as leaking once it is 300 MB larger than after its first call. The allocator keeps more than
    that after a large network, so that long runs would start new workers again and again.
    """
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf if memory is None else memory  # noqa: SLF001


def _ignore_pool_thread(
    before: Callable[[threading.ExceptHookArgs], object], failure: threading.ExceptHookArgs
) -> None:
    """Report an exception that ended a thread, unless the thread belongs to loky, whose processes may be killed."""
    if failure.thread is None or "ExecutorManager" not in failure.thread.name:
        before(failure)


def _run_call(
    pickled: bytes,
    plugins: Mapping[str, str],
    expected: str,
    parent: int | None,
    memory: int | None,
    index: int,
    call: _Call[Any],
) -> tuple[int, list[Any]]:
    if parent is not None:
        _end_with(parent)
        _allow_growth(memory)
    if is_over(call.deadline):
        return index, []
    if (installed := installation()) != expected:
        raise EznasError(
            f"every worker must have the code and the torch version of the process that asks, {expected}, got "
            f"{installed}; install the same on all machines"
        )
    use_plugins(plugins)
    return index, [_on_one_thread(cloudpickle.loads(pickled), call.item)]


@functools.cache
def _end_with(parent: int) -> None:
    """End this process soon after its parent was killed, also in the middle of a call.

    Without it a worker would run the calls that it has in hand, and then stay for as long as loky's timeout.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_ORPHAN_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _on_one_thread(function: Callable[[Item], T], item: Item) -> T:
    """Call the function on one torch thread, while no other thread of this process does the same."""
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
