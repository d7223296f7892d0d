"""How the processes of a run share its memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.fields import parse_size
from eznas.programs.pass_plan import written
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

_SMALLEST = 2**29
"""The least memory that a command may be given."""

_GROUPS = Path("/sys/fs/cgroup")
_GROUP_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""Files of the limit and the use of a control group, in both versions of Linux's interface."""

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
    def of(
        cls, memory: int, workers: int, progress: Progress = SILENT, *, pool: bool = False, keep: bool = True
    ) -> Self:
        """Divide memory among processes.

        Args:
            memory: Bytes for all processes together.
            workers: Processes that run networks; 0 for one per core, or fewer if memory is short.
            progress: Shows a message if that is fewer than one a core.
            pool: Whether even a single worker is a process of its own.
            keep: Whether a single process keeps statistics between calls, in half of the memory.

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
                f"memory must be at least {written(least)} for {working} processes, got {memory / 2**30:.2f}G; "
                "give more memory, or fewer workers",
                parameters=("memory", "workers"),
            )
        if not workers and working < core_count():
            progress.message(f"{memory / 2**30:.1f}G of memory are enough for {working} processes, not more")
        if working > 1 or pool or not keep:
            return cls(working, per_call, None)
        return cls(working, per_call // 2, Captures(per_call // 2))


def memory_bound(memory: int | str | None, workers: int, scheduler: str | None = None) -> int | None:
    """Return the bytes that a command may take.

    Args:
        memory: Bytes or a text such as ``"4G"``; None for what this machine has free, and at least what the workers
            need to begin.
        workers: See ``MemoryPlan.of``.
        scheduler: Address of a running cluster, whose workers have no bound unless ``memory`` gives one.

    Returns:
        The bytes; None where nothing bounds them.

    Raises:
        InputError: The memory is not a size of at least 512M.
    """
    if memory is not None:
        try:
            size = parse_size(memory)
        except ValueError:
            size = 0
        if not isinstance(size, int) or size < _SMALLEST:
            raise InputError(
                f"memory must be a size of at least 512M, such as 4G, got {memory!r}", parameters=("memory",)
            )
        return size
    free = free_memory() if scheduler is None else None
    processes = max(workers, 1)
    return None if free is None else max(free, int((processes + 1) * _PROCESS + processes * _LEAST / _HELD) + 1)


def free_memory() -> int | None:
    """Return the bytes that this process may still take: of the machine, or of its control group where it is less.

    Returns:
        The bytes; None where the system does not tell.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):  # of Linux, which counts caches that can be dropped too
            free = int(line.split()[1]) * 1024
    for limit, used in _GROUP_FILES:
        most, taken = _lines(_GROUPS / limit), _lines(_GROUPS / used)
        if most and taken and most[0].isdigit():
            free = min(free, max(int(most[0]) - int(taken[0]), 0))
    return free


def _lines(file: Path) -> list[str]:
    """Return the lines of a file; none where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def memory_of_remote_worker(memory: int) -> int:
    """Return the bytes of a call on a worker that may take ``memory`` bytes.

    Raises:
        InputError: The memory is too little for a call.
    """
    per_call = int(_HELD * (memory - _PROCESS))
    if per_call < _LEAST:
        raise InputError(
            f"memory must be at least {written(_PROCESS + _LEAST / _HELD)}, which each worker of the cluster may take, "
            f"got {memory / 2**30:.2f}G",
            parameters=("memory",),
        )
    return per_call


def _call_memory(memory: int, working: int, *, pool: bool) -> int:
    processes = working + (working > 1 or pool)
    return int(_HELD * (memory - processes * _PROCESS) / working)
