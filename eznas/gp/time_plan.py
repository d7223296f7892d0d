"""The time of a run: its clock, and a plan of its parts from a few measured networks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.gp.confirmation import CANDIDATES, MEASURED
from eznas.gp.library import LEAST_VISITED, SCREENED
from eznas.gp.seconds import DEAR, TIMED, median_seconds
from eznas.gp.trivial import TRIVIAL
from eznas.scoring import Proxy

if TYPE_CHECKING:
    from typing_extensions import Self

    from eznas.config import EvolveConfig
    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Condition, Executor

_TESTED = 1.3
"""Time to test programs and baselines on a network, relative to the baselines alone."""

_ALONE = 2.5
"""Time of proxies one by one, relative to their time together and a network built for each."""

_VISIT = 8.0
"""Time to evaluate a library of formulas on a network, relative to a program of one forward and one backward pass."""

_SUM = 0.25
"""Time to test a weighted sum on a network, relative to the time to evaluate a library of formulas."""

_FITS = 3.0
"""Seconds to fit a weighted sum, for each task."""

_END = 0.4
"""Share of the budget that testing may take at most."""

START = 0.5
"""Share of the budget that evaluating the first library may take at most."""

_FIGURES, _PLOTS = 1.0, 2.0
"""Seconds to write the results of a task: the figures with their bootstrap, and the plots with the report."""

_LONG = 0.03
"""Share of the budget after which a measurement times no further network."""

_COUNTING = 0.1
"""Share of the budget that counting parameters and FLOPs may take at most, beyond the least number of networks."""

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
    """Expected seconds of the parts of a run. Tasks on the same networks under the same condition count once.

    Args:
        visit: For each condition, by key, seconds to evaluate a library on a network.
        test: For each condition of full size, by key, seconds to test programs and baselines on a network.
        count: For each condition of full size, by key, seconds to count the parameters and FLOPs of a network;
            empty where the fitness is not relative to them.
        timing: Seconds to time each program and baseline by itself.
        writing: Seconds to write the results.
        choice: Share of the validation networks that programs are chosen on where there is no promotion.
        sums: Whether a weighted sum is tested too where programs are evaluated at full size.
    """

    visit: dict[str, float]
    test: dict[str, float]
    count: dict[str, float]
    timing: float
    writing: float
    choice: float = 1.0
    sums: bool = False

    @classmethod
    def of(
        cls,
        problem: EvolutionProblem,
        config: EvolveConfig,
        executor: Executor,
        clock: Clock,
        progress: Progress,
        *,
        refuse: bool,
    ) -> Self:
        """Time the baselines at full size, and a program under each condition, on a few networks of each task.

        Args:
            problem: The tasks.
            config: Has the budget.
            executor: Runs the networks.
            clock: The time of the run so far.
            progress: Advances after each condition.
            refuse: Whether to refuse a budget as soon as the tasks that are timed so far need more.

        Raises:
            InputError: The budget is refused.
        """
        breeding = {task.name: () if task.held_out else task.breeding for task in problem.every_task}
        progress.stage("timing networks", sum(2 + len(some) for some in breeding.values()))
        timed, size, baselines, trivial = (
            [Proxy.of(name) for name in names] for names in ((DEAR,), ("params",), MEASURED, TRIVIAL)
        )
        visit: dict[str, float] = {}
        test: dict[str, float] = {}
        count: dict[str, float] = {}
        plan = cls(visit, test, count, timing=0.0, writing=0.0, sums=config.weighted_terms > 0)
        long, workers = _LONG * config.time_budget, executor.workers
        first = problem.every_task[0]
        # Whatever runs first in a process takes longer, so it runs once on networks that are not timed.
        median_seconds([*timed, *baselines], first, executor, (*first.breeding, first.full)[0], long)
        for reached, task in enumerate(problem.every_task, 1):
            plan = replace(plan, writing=(_FIGURES + (_PLOTS if config.report else 0.0)) * reached)
            for condition in (*breeding[task.name], task.full):
                if condition.key not in visit:
                    visit[condition.key] = _VISIT * median_seconds(timed, task, executor, condition, long) / workers
                progress.advance()
            if task.full.key not in test:
                test[task.full.key] = visit[task.full.key] / _VISIT  # the baselines take longer than one program
                if refuse:
                    plan.check(problem, config, clock, reached, baselines=False)
                whole = _TESTED * median_seconds(baselines, task, executor, task.full, long)
                test[task.full.key] = whole / workers
                if not task.held_out:
                    build = median_seconds(size, task, executor, task.full, long)
                    alone = whole + (len(baselines) + CANDIDATES + 1) * build  # a weighted sum is one more
                    plan = replace(plan, timing=plan.timing + _ALONE * TIMED * alone / workers)
                if config.relative and not task.held_out:
                    count[task.full.key] = median_seconds(trivial, task, executor, task.full, long) / workers
            if refuse:
                plan.check(problem, config, clock, reached)
            progress.advance()
        return plan

    def check(
        self, problem: EvolutionProblem, config: EvolveConfig, clock: Clock, reached: int, *, baselines: bool = True
    ) -> None:
        """Check that the time left suffices for the least number of networks of the first ``reached`` tasks.

        Args:
            problem: All tasks.
            config: Has the budget.
            clock: The time of the run so far.
            reached: The number of tasks that are timed.
            baselines: Whether the baselines of the last of them are timed.

        Raises:
            InputError: It does not.
        """
        first, every = problem.first(reached), problem.every_task
        least, smallest = self._cut(first, 0.0)
        least = replace(least, sums=self._fits_sum(problem, promoted=False))
        counting = sum(self.counting(first, LEAST_VISITED).values())
        needed = least.end(smallest, promoted=False) + counting + self.start(first, LEAST_VISITED)
        if clock.left >= needed:
            return
        seconds = 5 * math.ceil((clock.spent + needed) / 5)
        lacking = [] if baselines else ["the baselines"]
        lacking += [f"{len(every) - reached} of {len(every)} tasks"] if reached < len(every) else []
        if lacking:
            limit, names = "more than", ", ".join(task.name for task in first.every_task)
            why = f"this is for {names} alone, without {' and '.join(lacking)}"
        else:
            limit = "at least about"
            why = f"{LEAST_VISITED} networks of evolution and {_LEAST_TESTED} test networks of each task take that long"
        raise InputError(
            f"time_budget must be {limit} {seconds} s on this machine, got {config.time_budget:.0f} s: {why}; give "
            f"more time, {'fewer tasks, ' if len(every) > 1 else ''}or smaller networks or images",
            parameters=("time_budget",),
        )

    def expected(self, condition: Condition, networks: int) -> float:
        """Return the expected seconds to evaluate a library on some networks under a condition."""
        return self.visit[condition.key] * networks

    def counting(self, problem: EvolutionProblem, networks: int | None = None) -> dict[str, float]:
        """Return the expected seconds to count parameters and FLOPs, by task, on at most ``networks`` of each."""
        seconds: dict[str, float] = {}
        begun: set[tuple[object, ...]] = set()
        for task in problem.tasks:
            key = (task.full.key, task.train, task.validation)
            if key not in begun and task.full.key in self.count:
                begun.add(key)
                whole = len(task.train) + len(task.validation)
                seconds[task.name] = self.count[task.full.key] * min(whole, networks or whole)
        return seconds

    def start(self, problem: EvolutionProblem, networks: int | None = None) -> float:
        """Return the expected seconds to evaluate the first library, on at most ``networks`` of each task."""
        counts: dict[str, int] = {}
        for task in problem.tasks:
            whole = len(task.train) + len(task.validation)
            for condition in task.breeding:
                counts[condition.key] = max(counts.get(condition.key, 0), min(whole, networks or whole))
        return sum(self.visit[key] * count for key, count in counts.items())

    def screens(self, problem: EvolutionProblem, config: EvolveConfig) -> bool:
        """Whether there is time to screen formulas on few networks before the best visit all."""
        if config.draws == 1 or min(len(task.train) for task in problem.tasks) < 2 * SCREENED:
            return False
        return self.start(problem) + config.draws * self.start(problem, SCREENED) <= START * config.time_budget

    def promotion(self, problem: EvolutionProblem, networks: int | None = None) -> float:
        """Return the expected seconds to evaluate reductions at full size, on at most ``networks`` of each task."""
        counts: dict[str, int] = {}
        for task in problem.tasks:
            if task.promoted:
                whole = len(task.promoted) + len(task.validation)
                counts[task.full.key] = max(counts.get(task.full.key, 0), min(whole, networks or whole))
        return sum(self.visit[key] * count for key, count in counts.items())

    def with_choice(self, share: float) -> TimePlan:
        """Return the plan with another share of the validation networks."""
        return replace(self, choice=share)

    def end_parts(self, problem: EvolutionProblem, *, promoted: bool) -> dict[Any, float]:
        """Return the expected seconds of the parts of the confirmation, which ``Confirmation.schedule`` names."""
        parts: dict[Any, float] = {"timing": self.timing}
        sums = self._fits_sum(problem, promoted=promoted)
        begun: set[tuple[object, ...]] = set()
        for task in problem.every_task:
            for part, networks in (("validation", task.validation), ("test", task.test)):
                known = part == "validation" and promoted and task.promoted  # the promotion has the values
                key = (part, task.full.key, networks)
                if networks and not known and key not in begun:
                    begun.add(key)
                    share = self.choice if part == "validation" else 1.0
                    of_sum = _SUM * self.visit[task.full.key] if sums and part == "test" else 0.0
                    parts[part, task.name] = (share * self.test[task.full.key] + of_sum) * len(networks)
        return parts

    def _fits_sum(self, problem: EvolutionProblem, *, promoted: bool) -> bool:
        """Whether a weighted sum is fitted: only if evolution evaluates programs at full size on every task."""
        return self.sums and all(
            (promoted and task.promoted) or task.full.key in {condition.key for condition in task.breeding}
            for task in problem.tasks
        )

    def sum_seconds(self, problem: EvolutionProblem, *, promoted: bool) -> float:
        """Return the expected seconds to fit a weighted sum, 0 where none is fitted."""
        return _FITS * len(problem.tasks) if self._fits_sum(problem, promoted=promoted) else 0.0

    def end(self, problem: EvolutionProblem, *, promoted: bool) -> float:
        """Return the expected seconds after the last generation."""
        parts = self.end_parts(problem, promoted=promoted)
        return sum(parts.values()) + self.sum_seconds(problem, promoted=promoted) + self.writing

    def counting_seconds(self, problem: EvolutionProblem, config: EvolveConfig) -> float:
        """Return the seconds that counting parameters and FLOPs may take; 0 where the fitness does not need them."""
        least, whole = (sum(self.counting(problem, networks).values()) for networks in (LEAST_VISITED, None))
        return max(least, min(_COUNTING * config.time_budget, whole))

    def fitted(
        self, problem: EvolutionProblem, config: EvolveConfig, clock: Clock, progress: Progress, counting: float = 0.0
    ) -> tuple[TimePlan, EvolutionProblem]:
        """Return the plan and the problem with as many test and validation networks at full size as the time allows.

        Args:
            problem: The tasks.
            config: Has the budget.
            clock: The time of the run so far.
            progress: Shows how many test networks are used if not all.
            counting: Seconds that counting parameters and FLOPs may take.
        """
        begin = counting + self.start(problem, LEAST_VISITED)
        fixed = self.timing + self.sum_seconds(problem, promoted=False) + self.writing
        tests = self.end(problem, promoted=False) - fixed
        allowed = min(_END * config.time_budget, clock.left - begin) - fixed
        fraction = min(1.0, max(allowed, 0.0) / tests)
        plan, fitted = self._cut(problem, fraction)
        if fraction < 1:
            asked, used = (sum(len(task.test) for task in each.every_task) for each in (problem, fitted))
            progress.message(
                f"{used} of {asked} test networks are used: all would take more than {_END:.0%} of time_budget, "
                f"{config.time_budget:.0f} s"
            )
        return plan, fitted

    def _cut(self, problem: EvolutionProblem, fraction: float) -> tuple[TimePlan, EvolutionProblem]:
        """Return the plan and the problem for a share of the networks of the confirmation, or for the least number."""
        counts = {
            task.name: max(min(_LEAST_TESTED, len(task.test)), math.floor(fraction * len(task.test)))
            for task in problem.every_task
        }
        return self.with_choice(fraction), problem.with_tests(counts)
