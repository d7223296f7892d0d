"""How the processes of a run share its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.progress import SILENT
from eznas.scoring.captures import Captures
from eznas.scoring.executor import core_count

if TYPE_CHECKING:
    from typing_extensions import Self

    from eznas.progress import Progress


_PROCESS = 320 * 2**20
"""Bytes of a process before it runs a network: Python, torch and, in the first process, the vectors of reductions."""

_LEAST, _ENOUGH = 64 * 2**20, 256 * 2**20
"""Least bytes for a call, and bytes from which one more worker is worthwhile."""

_HELD = 0.75
"""Share of the memory to plan with; the allocator holds the rest unused."""


@dataclass(frozen=True)
class MemoryPlan:
    """How many processes run networks, and the memory of each.

    Args:
        workers: Processes that run networks.
        per_call: Bytes that capturing and evaluating may take in each.
        captures: Statistics that are kept between calls; None where several processes run networks.
    """

    workers: int
    per_call: int
    captures: Captures | None

    @classmethod
    def of(cls, memory: int, workers: int, progress: Progress = SILENT, *, pool: bool = False) -> Self:
        """Divide memory among processes.

        Args:
            memory: Bytes for all processes together.
            workers: Processes that run networks; 0 for one per core, or fewer if memory is short.
            progress: Shows a message if that is fewer than one a core.
            pool: Whether even a single worker is a process of its own.

        Raises:
            InputError: The memory is too little for a call.
        """
        working = workers or core_count()
        while workers == 0 and working > 1 and _call_memory(memory, working, pool=pool) < _ENOUGH:
            working -= 1
        per_call = _call_memory(memory, working, pool=pool)
        if per_call < _LEAST:
            least = memory + (_LEAST - per_call) * working / _HELD
            raise InputError(
                f"memory must be at least {least / 2**30:.1f}G for {working} processes, got {memory / 2**30:.1f}G; "
                "give more memory, or fewer workers",
                parameters=("memory", "workers"),
            )
        if not workers and working < core_count():
            progress.message(f"{memory / 2**30:.1f}G of memory are enough for {working} processes, not more")
        if working > 1 or pool:
            return cls(working, per_call, None)
        return cls(working, per_call // 2, Captures(per_call // 2))


def memory_of_remote_worker(memory: int) -> int:
    """Return the bytes of a call on a worker that may take ``memory`` bytes.

    Raises:
        InputError: The memory is too little for a call.
    """
    per_call = int(_HELD * (memory - _PROCESS))
    if per_call < _LEAST:
        raise InputError(
            f"memory must be at least {(_PROCESS + _LEAST / _HELD) / 2**30:.1f}G, which each worker of the cluster may "
            f"take, got {memory / 2**30:.1f}G",
            parameters=("memory",),
        )
    return per_call


def _call_memory(memory: int, working: int, *, pool: bool) -> int:
    processes = working + (working > 1 or pool)
    return int(_HELD * (memory - processes * _PROCESS) / working)
