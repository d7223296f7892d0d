"""The time of a run: its clock, and estimates of its parts from a few networks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.gp.confirmation import MEASURED
from eznas.scoring import Executor, Proxy, score_networks
from eznas.scoring.executor import SerialExecutor

if TYPE_CHECKING:
    from typing_extensions import Self

    from eznas.config import EvolveConfig
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.progress import Progress


SAFETY = 2.0
"""Safety factor: programs and baselines together take about twice as long as the timed baselines."""

_START, _PROMOTION = 3.0, 3.0
"""Time to evaluate the first library, and the promoted reductions, on a network, relative to the baselines."""

_TIMED = 4
"""Networks that are timed under each condition; the first one warms up."""


class Clock:
    """Seconds of the run so far, those before a resume included, and seconds left of the budget."""

    def __init__(self, budget: float, spent: float) -> None:
        self._start = time.monotonic() - spent
        self._budget = budget

    @property
    def spent(self) -> float:
        """Seconds of the run so far."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds left of the budget."""
        return self._budget - self.spent


@dataclass(frozen=True)
class TimePlan:
    """Expected seconds of the parts of a run, safety factors included.

    Args:
        start: Evaluating the first library on the networks of evolution.
        promotion: Evaluating reductions at full size; 0 without a promotion.
        choice: Choosing among the hall of fame on the validation networks, where no promotion did.
        confirmation: Scoring the hall of fame and the baselines on the test networks.
    """

    start: float
    promotion: float
    choice: float
    confirmation: float

    @classmethod
    def of(cls, problem: EvolutionProblem, executor: Executor, progress: Progress) -> Self:
        """Time the baselines on a few networks of each task under each condition, and extrapolate."""
        conditions = {
            condition.key: (condition, task) for task in problem.every_task for condition in (task.full, *task.breeding)
        }
        progress.stage("timing networks", _TIMED * len(conditions))
        proxies = [Proxy.of(name) for name in MEASURED]
        timed: dict[str, float] = {}
        for key, (condition, task) in conditions.items():
            few = (task.validation or task.test)[:_TIMED]
            matrix = score_networks(proxies, condition, few, SerialExecutor(executor.memory), progress)
            timed[key] = float(np.median(matrix.seconds[1:])) / executor.workers

        def full(task: EvolutionTask) -> float:
            return timed[task.full.key]

        return cls(
            start=_START
            * sum(
                timed[condition.key] * (len(task.train) + len(task.validation))
                for task in problem.tasks
                for condition in task.breeding
            ),
            promotion=_PROMOTION
            * sum(full(task) * (len(task.promoted) + len(task.validation)) for task in problem.tasks if task.promoted),
            choice=SAFETY * sum(full(task) * len(task.validation) for task in problem.tasks),
            confirmation=SAFETY * sum(full(task) * len(task.test) for task in problem.every_task),
        )

    def end(self, *, promoted: bool) -> float:
        """Return the expected seconds after the last generation, without the safety factor."""
        return (self.confirmation + (0.0 if promoted else self.choice)) / SAFETY

    def check(self, config: EvolveConfig, clock: Clock) -> None:
        """Refuse a time budget in which no generation could be bred.

        Raises:
            InputError: The budget is too short by these estimates without their safety factors.
        """
        end = self.end(promoted=False)
        if clock.left < self.start + end:
            least = 5 * math.ceil((clock.spent + self.start + 2 * end) / 5)
            raise InputError(
                f"time_budget must be at least about {least} s on this machine, got {config.time_budget:.0f} s: "
                f"evaluating formulas takes about {self.start:.0f} s, and testing programs at full size "
                f"about {end:.0f} s; give more time, or lower networks, validation_networks or test_networks",
                parameters=("time_budget", "networks", "validation_networks", "test_networks"),
            )
