"""From the memory of a run to what a visit to a network may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.scoring.captures import Captures
from eznas.scoring.cluster import current_cluster
from eznas.scoring.parallel import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

__all__ = ["MemoryPlan"]

_PROCESS = 320 * 2**20
"""Bytes of a process before it runs a network: Python, torch and, in the first one, the vectors of reductions."""

_LEAST, _ENOUGH = 64 * 2**20, 256 * 2**20
"""Bytes that a visit must have, and those that are worth a worker of its own."""

_HELD = 0.75
"""Share that is planned with; the rest is lost between what the allocator holds and what is in use."""


@dataclass(frozen=True)
class MemoryPlan:
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
    def of(cls, memory: int, workers: int, say: Callable[[str], None] = lambda _: None) -> Self:
        """Share memory out.

        Args:
            memory: Bytes of all processes together; of each worker, where those of a cluster run networks that was
                there before.
            workers: Processes that run networks; 0 for one a core, or as many as there is enough memory for.
            say: Is told where that is fewer than one a core.

        Raises:
            InputError: Too little is left.
        """
        cluster, working = current_cluster(), worker_count(workers)
        if cluster is not None and not cluster.local:
            visit = int(_HELD * (memory - _PROCESS))
            if visit < _LEAST:
                raise InputError(
                    f"--memory must be at least {(_PROCESS + _LEAST / _HELD) / 2**30:.1f}G, which each worker of the "
                    f"cluster may take, got {memory / 2**30:.1f}G"
                )
            return cls(working, visit, None)
        while workers == 0 and working > 1 and _visit(memory, working) < _ENOUGH:
            working -= 1
        visit = _visit(memory, working)
        if visit < _LEAST:
            least = memory + (_LEAST - visit) * working / _HELD
            raise InputError(
                f"--memory must be at least {least / 2**30:.1f}G for {working} workers, got {memory / 2**30:.1f}G; "
                "give more, or fewer workers"
            )
        if working < worker_count(workers):
            say(f"{memory / 2**30:.1f}G of memory are enough for {working} workers, not more")
        if working > 1 or cluster is not None:
            return cls(working, visit, None)
        return cls(working, visit // 2, Captures(visit // 2))


def _visit(memory: int, working: int) -> int:
    processes = working + (working > 1 or current_cluster() is not None)
    return int(_HELD * (memory - processes * _PROCESS) / working)
