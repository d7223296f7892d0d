"""The time of a run: its clock, and a plan of its parts from a few measured networks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.gp.confirmation import MEASURED
from eznas.gp.library import LEAST_VISITED, SCREENED
from eznas.gp.seconds import DEAR, seconds_of
from eznas.scoring import Proxy, score_networks
from eznas.scoring.executor import SerialExecutor

if TYPE_CHECKING:
    from typing_extensions import Self

    from eznas.config import EvolveConfig
    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Executor

_TESTED = 1.6
"""Time to test programs and baselines on a network, relative to the baselines alone."""

_VISIT = 8.0
"""Time to evaluate a library of formulas on a network, relative to a program of one forward and one backward pass."""

_END, _START = 0.4, 0.5
"""Shares of the budget that testing, and evaluating the first library, may take at most."""

_WRITING = 3.0
"""Seconds to write the results of a task, with its plots and its bootstrap."""

_LEAST_TESTED = 20
"""Test networks of a task that a shorter budget leaves at least."""


class Clock:
    """Seconds of the run so far, those before a resume included, and seconds left of the budget.

    Args:
        budget: Seconds for the whole run.
        spent: Seconds that the run took before it was resumed.
        begun: The value of ``time.monotonic()`` at which the run, or its resume, began.
    """

    def __init__(self, budget: float, spent: float, begun: float) -> None:
        self._start = begun - spent
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
    """Expected seconds of the parts of a run; tasks that share networks take the time of one.

    Args:
        visit: For each task and condition, by name and key, seconds to evaluate a library on a network.
        test: For each task, seconds to test programs and baselines on a network.
        timing: Seconds to time each program and baseline by itself.
        writing: Seconds to write the results.
        choice: Share of the validation networks that programs are chosen on where there is no promotion.
    """

    visit: dict[tuple[str, str], float]
    test: dict[str, float]
    timing: float
    writing: float
    choice: float = 1.0

    @classmethod
    def of(cls, problem: EvolutionProblem, executor: Executor, progress: Progress) -> Self:
        """Time the baselines at full size, and a program under each condition, on two networks of each task."""
        progress.stage("timing networks", sum(2 + len(task.breeding) for task in problem.every_task))
        alone, visit, test, timing = SerialExecutor(executor.memory), {}, {}, {}
        for task in problem.every_task:
            few = (task.validation or task.test)[:2]  # the first one warms up
            whole = min(score_networks([Proxy.of(name) for name in MEASURED], task.full, few, alone).seconds)
            progress.advance()
            test[task.name] = _TESTED * whole / executor.workers
            timing[task.full.key, task.validation] = 2 * _TESTED * whole * (not task.held_out)
            for condition in {condition.key: condition for condition in (task.full, *task.breeding)}.values():
                seconds = seconds_of(Proxy("timed", DEAR), task, executor, condition)
                visit[task.name, condition.key] = _VISIT * seconds / executor.workers
                progress.advance()
        return cls(visit, test, sum(timing.values()), _WRITING * len(problem.every_task))

    def start(self, problem: EvolutionProblem) -> float:
        """Return the expected seconds to evaluate the first library on the networks of evolution."""
        visits = {
            (condition.key, task.train, task.validation): self.visit[task.name, condition.key]
            for task in problem.tasks
            for condition in task.breeding
        }
        return sum(seconds * (len(train) + len(validation)) for (_, train, validation), seconds in visits.items())

    def screens(self, problem: EvolutionProblem, config: EvolveConfig) -> bool:
        """Whether there is time to screen formulas on few networks before the best visit all."""
        if config.draws == 1 or min(len(task.train) for task in problem.tasks) < 2 * SCREENED:
            return False
        few = {
            (condition.key, task.train): SCREENED * self.visit[task.name, condition.key]
            for task in problem.tasks
            for condition in task.breeding
        }
        return self.start(problem) + config.draws * sum(few.values()) <= _START * config.time_budget

    def promotion(self, problem: EvolutionProblem) -> float:
        """Return the expected seconds to evaluate reductions at full size; 0 without a promotion."""
        visits = {
            (task.full.key, task.promoted, task.validation): self.visit[task.name, task.full.key]
            for task in problem.tasks
            if task.promoted
        }
        return sum(seconds * (len(train) + len(validation)) for (_, train, validation), seconds in visits.items())

    def least_share(self, problem: EvolutionProblem) -> float:
        """Return the share of the networks of evolution that a shorter budget leaves at least."""
        return min(1.0, LEAST_VISITED / max(len(task.train) + len(task.validation) for task in problem.tasks))

    @property
    def start_share(self) -> float:
        """Share of the budget that evaluating the first library may take at most."""
        return _START

    def end_parts(self, problem: EvolutionProblem, *, promoted: bool) -> dict[Any, float]:
        """Return the expected seconds of the parts of the confirmation, which ``Confirmation.schedule`` names."""
        chosen = [task for task in problem.tasks if not (promoted and task.promoted)]
        scored = [("test", task, task.test, 1.0) for task in problem.every_task]
        scored += [("validation", task, task.validation, self.choice) for task in chosen]
        parts: dict[Any, float] = {"timing": self.timing}
        shared: set[tuple[str, tuple[str, ...]]] = set()
        for part, task, networks, share in scored:
            new = (task.full.key, networks) not in shared
            parts[part, task.name] = new * share * self.test[task.name] * len(networks)
            shared.add((task.full.key, networks))
        return parts

    def end(self, problem: EvolutionProblem, *, promoted: bool) -> float:
        """Return the expected seconds after the last generation."""
        return sum(self.end_parts(problem, promoted=promoted).values()) + self.writing

    def fitted(
        self, problem: EvolutionProblem, config: EvolveConfig, clock: Clock, progress: Progress, *, refuse: bool
    ) -> tuple[TimePlan, EvolutionProblem]:
        """Return the plan and the problem with as many test and validation networks at full size as the time allows.

        Args:
            problem: The tasks.
            config: Has the budget.
            clock: The time of the run so far.
            progress: Shows how many test networks are used if not all.
            refuse: Whether to refuse a budget that is too short for the least number of networks.

        Raises:
            InputError: The budget is refused.
        """
        fixed = self.timing + self.writing
        tests = self.end(problem, promoted=False) - fixed
        fraction = min(1.0, max(_END * config.time_budget - fixed, 0.0) / tests)
        counts = {
            task.name: max(min(_LEAST_TESTED, len(task.test)), math.floor(fraction * len(task.test)))
            for task in problem.every_task
        }
        plan, fitted = replace(self, choice=fraction), problem.with_tests(counts)
        least = plan.end(fitted, promoted=False) + self.least_share(problem) * self.start(problem)
        if refuse and clock.left < least:
            needed = 5 * math.ceil((clock.spent + 1.1 * least) / 5)
            raise InputError(
                f"time_budget must be at least about {needed} s on this machine, got {config.time_budget:.0f} s: "
                f"{LEAST_VISITED} networks of evolution and {_LEAST_TESTED} test networks of each task take that long; "
                "give more time, or smaller networks or images",
                parameters=("time_budget",),
            )
        if fraction < 1:
            asked = sum(len(task.test) for task in problem.every_task)
            progress.message(
                f"{sum(counts.values())} of {asked} test networks are used: all would take more than {_END:.0%} of "
                f"time_budget, {config.time_budget:.0f} s"
            )
        return plan, fitted
