"""Returns free memory to the system, which the allocator keeps otherwise."""

from __future__ import annotations

import ctypes
import gc
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STATM = Path("/proc/self/statm")
_STEP = 32 * 2**20
"""Bytes by which a process grows after free memory was returned before this is tried again."""

_LARGE = 2**28
"""Bytes from which on unreachable objects of earlier passes may be large; finding them takes a tenth of a second."""


class Heap:
    """The heap of this process, which is kept about as large as the tensors in it.

    The allocator of glibc keeps freed tensors between others, so that a process that frees as much as it takes grows
    to about twice of what it needs. On systems without this allocator, only unreachable objects are freed.

    Args:
        limit: Bytes by which the process may grow from now on before free memory is returned.
    """

    def __init__(self, limit: int) -> None:
        if limit >= _LARGE:
            gc.collect()  # recorders and graphs of earlier passes, which refer to each other
        _trim()
        self._limit = self._next = resident() + limit

    def trim(self) -> None:
        """Return free memory to the system if the process is large."""
        if resident() > self._next:
            _trim()
            self._next = max(self._limit, resident() + _STEP)


def resident() -> int:
    """Return the bytes of this process in memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _trim() -> None:
    if (function := _malloc_trim()) is not None:
        function(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """Return ``malloc_trim`` of glibc; None with another library."""
    try:
        function: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return function
