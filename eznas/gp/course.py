"""The course of a run: how many generations, expansions and promotions the time allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eznas.gp.library import LEAST_VISITED
from eznas.gp.results import generation_record, write_logbook, write_provisional_hall
from eznas.gp.time_plan import START

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import FitnessCase
    from eznas.gp.loop import Evolution
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.time_plan import Clock, TimePlan
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.run import RunDirectory

_LEAST_GENERATIONS = 5
"""Generations that a run breeds in any case: they take seconds, and a run without them would report chance."""

_LEAVES = 0.5
"""Share of the time to evaluate the first library that computing measures as leaves of programs may take at most."""

_BREEDING = 0.05
"""Share of the budget that stays for generations where a promotion would take all."""

CHECKPOINT_SECONDS = 10.0
"""Seconds between two checkpoints at least."""


class Course:
    """Breeds generations up to a limit, and keeps the run directory up to date.

    Args:
        config: The options.
        problem: The tasks.
        evolution: At its beginning.
        directory: Where to write.
        clock: The time of the run.
        plan: The expected seconds of its parts.
        progress: Shows messages and generations.
    """

    def __init__(
        self,
        config: EvolveConfig,
        problem: EvolutionProblem,
        evolution: Evolution,
        directory: RunDirectory,
        clock: Clock,
        plan: TimePlan,
        progress: Progress,
    ) -> None:
        self._config, self._problem, self._evolution, self._directory = config, problem, evolution, directory
        self._clock, self._plan, self._progress = clock, plan, progress
        self._expansion_seconds, self._pace = 0.0, 0.1
        self._promotes, self._promotion_seconds = False, 0.0
        self._state: dict[str, Any] = {}
        self._promotion_left_out: list[dict[str, str]] | None = None
        self._saved = time.monotonic()

    def run(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> str:
        """Evolve, and return what ended it.

        Returns:
            ``"generations"``, ``"converged"``, ``"time"``, ``"interrupt"`` or ``"callback"``.
        """
        evolution, config = self._evolution, self._config
        try:
            self._begin(checkpoint, seeds)
            end = self._plan.end(self._problem, promoted=self._promotes)
            ended = self._evolve(config.generations, end + self._promotion_seconds)
            self._save()  # a resume with more generations continues from here
            if self._promotes:
                self._promote(end)
            if evolution.promoted:
                promoted_ended = self._evolve(evolution.generation + config.full_generations, end)
                ended = "time" if "time" in (ended, promoted_ended) else ended
                self._save()
        except StopIteration:
            self._save()
            return "callback"
        except KeyboardInterrupt:
            if not evolution.hall.members:
                raise
            write_logbook(self._directory, evolution)
            self._progress.message("interrupted: testing the programs found so far; press Ctrl-C again to stop at once")
            return "interrupt"
        return ended

    def _promote(self, end: float) -> None:
        """Promote; a run that was stopped after its promotion uses the same networks again."""
        panels = [case.panel for case in self._evolution.promotion]
        if self._promotion_left_out is None:
            self._bound(self._clock.left - end, self._evolution.promotion)
        self._evolution.promote(self._promotion_left_out or ())
        self._evolution.schedule.clear()
        self._promotion_left_out = [dict(panel.left_out) for panel in panels]
        self._directory.write_checkpoint({**self._state, "promotion_left_out": self._promotion_left_out})

    def _begin(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> None:
        begun, end = self._clock.spent, self._plan.end(self._problem, promoted=False)
        self._progress.remaining(self._clock.left)
        if checkpoint:
            if checkpoint["time_budget"] == self._config.time_budget:
                self._promotion_left_out = checkpoint["promotion_left_out"]
            self._evolution.restore(checkpoint)
            self._evolution.logbook.extend(checkpoint["log"])
        else:
            until = self._clock.spent + min(START * self._config.time_budget, self._clock.left - end)
            self._bound(_LEAVES * (until - self._clock.spent), self._cases())
            self._evolution.compute_leaves()
            self._bound(until - self._clock.spent, self._cases())
            self._evolution.start(seeds)
            self._evolution.schedule.clear()
        known = len(self._evolution.library.entries)
        self._directory.append({"event": "resumed" if checkpoint else "started", "reductions": known})
        # Vectors from the store take no time, so a checkpoint keeps the time of the first evaluation. An expansion
        # draws a quarter of the library, but building the networks takes about as long as for all of it.
        seconds = checkpoint["start_seconds"] if checkpoint else self._clock.spent - begun
        self._start_seconds, self._expansion_seconds = seconds, seconds / 2
        # Decided once: later in the run the time left would decide otherwise, and a resumed run must do the same.
        if checkpoint and (checkpoint["promotes"] or checkpoint["time_budget"] == self._config.time_budget):
            self._promotes, self._promotion_seconds = checkpoint["promotes"], checkpoint["promotion_seconds"]
        else:
            self._plan_promotion()
        self._save()

    def _plan_promotion(self) -> None:
        """Decide whether a promotion fits into the time that is left; a promotion on fewer networks may."""
        expected = self._plan.promotion(self._problem)
        if not expected:
            return
        panels = {case.panel: self._expected(case) for case in self._cases()}  # tasks may share one
        planned = sum(seconds * float(panel.usable.mean()) for panel, seconds in panels.items())
        expected *= self._start_seconds / planned
        end = self._plan.end(self._problem, promoted=True)
        left = self._clock.left - end - _BREEDING * self._config.time_budget
        least = expected * self._plan.promotion(self._problem, LEAST_VISITED) / self._plan.promotion(self._problem)
        if left < least:
            self._progress.message(
                f"no promotion to full size: it would take about {expected:.0f} s, and {max(left, 0):.0f} s are left "
                "for it and the generations; raise time_budget, or lower networks or full_networks"
            )
            return
        self._promotes, self._promotion_seconds = True, min(expected, left)

    def _bound(self, seconds: float, cases: Iterable[FitnessCase]) -> None:
        """Bound the seconds of the panels of some cases together."""
        self._evolution.schedule.begin(seconds, {case.panel: self._expected(case) for case in cases})

    def _cases(self) -> list[FitnessCase]:
        """Return the cases of evolution and of the screening."""
        screening = self._evolution.screening
        return [*self._evolution.evaluator.cases, *(screening.cases if screening else ())]

    def _expected(self, case: FitnessCase) -> float:
        """Return the seconds that the plan expects for a case."""
        return self._plan.expected(case.panel.condition, len(case.panel.architectures))

    def _evolve(self, generations: int, reserve: float) -> str:
        """Breed generations up to a number of them.

        Returns:
            ``"generations"``, ``"converged"``, or ``"time"`` where the time did not suffice.
        """
        evolution = self._evolution
        while evolution.generation < generations:
            if evolution.converged and not evolution.promoted:
                return "converged"
            due = evolution.expansion_is_due()
            few = evolution.generation < _LEAST_GENERATIONS and not evolution.promoted and not due
            if self._clock.left <= reserve + (self._expansion_seconds if due else 0.0) and not few:
                return "time"
            begun = self._clock.spent
            if due:
                self._bound(self._clock.left - reserve, self._cases())
            evolution.step()
            evolution.schedule.clear()
            spent = self._clock.spent - begun
            if due:
                self._expansion_seconds = spent
            else:
                self._pace += (spent - self._pace) / 10
            record = generation_record(evolution, self._clock.spent)
            evolution.logbook.record(**record)
            self._progress.remaining(self._seconds_left())
            self._progress.generation(record)
            if due or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save()
        return "generations"

    def _seconds_left(self) -> float:
        """Estimate the seconds until the run ends."""
        last = self._config.generations + (self._config.full_generations if self._promotes else 0)
        end = self._plan.end(self._problem, promoted=self._promotes)
        promotion = 0.0 if self._evolution.promoted else self._promotion_seconds
        return max(end, min((last - self._evolution.generation) * self._pace + promotion + end, self._clock.left))

    def _save(self) -> None:
        """Write the checkpoint and the tables; after a promotion, which a resumed run does again, only the tables."""
        if not self._evolution.promoted:
            state = self._evolution.state()
            self._state = {
                **state,
                "seconds": self._clock.spent,
                "start_seconds": self._start_seconds,
                "promotes": self._promotes,
                "promotion_seconds": self._promotion_seconds,
                "time_budget": self._config.time_budget,
                "screens": self._evolution.screening is not None,
                "choice": self._plan.choice,
                "trivial": [task.trivial for task in self._evolution.evaluator.tasks],
                "promotion_left_out": self._promotion_left_out,
                "tests": {task.name: len(task.test) for task in self._problem.every_task},
                "log": [dict(row) for row in self._evolution.logbook],
            }
            self._directory.write_checkpoint(self._state)
            self._directory.append(
                {"event": "saved", "generation": state["generation"], "evaluated": state["evaluated"]}
            )
        write_logbook(self._directory, self._evolution)
        write_provisional_hall(self._directory, self._evolution)
        self._saved = time.monotonic()
