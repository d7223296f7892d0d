"""From the memory of a run to what a visit to a network may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.scoring.captures import Captures
from eznas.scoring.parallel import worker_count

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Budget"]

_PROCESS = 320 * 2**20
"""Bytes of a process before it runs a network: Python, torch and, in the first one, the vectors of reductions."""

_LEAST, _ENOUGH = 64 * 2**20, 256 * 2**20
"""Bytes that a visit must have, and those that are worth a worker of its own."""

_HELD = 0.75
"""Share that is planned with; the rest is lost between what the allocator holds and what is in use."""


@dataclass(frozen=True)
class Budget:
    """What processes may take.

    Args:
        workers: How many run networks.
        visit: Bytes that capturing and evaluating may take in each.
        kept: Statistics that are kept between visits; None where several processes run networks.
    """

    workers: int
    visit: int
    kept: Captures | None

    @classmethod
    def of(cls, memory: int, workers: int) -> Self:
        """Share memory out.

        Args:
            memory: Bytes of all processes together.
            workers: Processes that run networks; 0 for one a core, or as many as there is enough memory for.

        Raises:
            InputError: Too little is left.
        """
        working = worker_count(workers)
        while workers == 0 and working > 1 and _visit(memory, working) < _ENOUGH:
            working -= 1
        visit = _visit(memory, working)
        if visit < _LEAST:
            least = memory + (_LEAST - visit) * working / _HELD
            raise InputError(
                f"--memory must be at least {least / 2**30:.1f}G for {working} workers, got {memory / 2**30:.1f}G; "
                "give more, or fewer workers"
            )
        return cls(working, visit // 2, Captures(visit // 2)) if working == 1 else cls(working, visit, None)


def _visit(memory: int, working: int) -> int:
    processes = working + (working > 1)
    return int(_HELD * (memory - processes * _PROCESS) / working)
