"""A whole run over score files: read, split, evolve within the budget, report on the test architectures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.gp.course import CHECKPOINT_SECONDS
from eznas.gp.time_plan import Clock
from eznas.scoring.plugin import check_plugins_of_run, load_plugins
from eznas.symbolic.evolution import EPOCH, ISLANDS, Evolution
from eznas.symbolic.population import evaluate_programs
from eznas.symbolic.problem import ScoresProblem
from eznas.symbolic.report import ScoresReport
from eznas.symbolic.results import write_hall, write_results
from eznas.symbolic.weighted_sum import WeightedSums

if TYPE_CHECKING:
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.run import RunDirectory
    from eznas.scoring import Executor
    from eznas.symbolic.config import ScoresConfig


_END = 3.0
"""Processor time of the rows of programs, the ablation and the verdict, relative to that of the rows of the columns."""

_PLOTS, _PAGE = 4.0, 1.1
"""Processor seconds that the pictures of a run and those of each task take at the end."""

_SUMS = 0.5
"""Largest share of the time budget in which weighted sums are fitted."""

_SLOWEST = 3.0
"""Largest ratio of the time at the end to its processor time that is planned for."""


def run_scores(
    config: ScoresConfig,
    directory: RunDirectory,
    executor: Executor,
    progress: Progress,
    *,
    resume: bool,
    resume_with: str = "",
    begun: float | None = None,
) -> dict[str, Any]:
    """Evolve formulas over score files and write a complete run directory.

    An interrupt (Ctrl-C) during evolution, or a ``StopIteration`` that ``progress.generation`` raises, ends evolution
    there; the hall of fame is reported, and the run can be resumed. A resumed run equals an uninterrupted one if the
    number of generations ends both.

    Args:
        config: The options.
        directory: Where to write.
        executor: Runs the islands.
        progress: Shows messages and generations.
        resume: Whether to go on from the directory's checkpoint.
        resume_with: How to resume the run, as its first message says.
        begun: The value of ``time.monotonic()`` from which the time budget counts; by default now.

    Returns:
        The content of ``summary.json``.

    Raises:
        InputError: An option or a file cannot be used.
        EznasError: No column ranks the training architectures of every task.
    """
    checkpoint = directory.read_checkpoint() if resume else None
    begun = time.monotonic() if begun is None else begun
    clock = Clock(config.time_budget, checkpoint["seconds"] if checkpoint else 0.0, begun)
    load_plugins(config.plugin)
    problem = ScoresProblem.of(config)
    _check_same(config, directory, problem)
    for note in problem.notes():
        progress.message(note)
    progress.message(
        f"{'resuming' if resume else 'evolving'} over {problem}, at most {config.time_budget:.0f} s; writing to "
        f"{directory.path}" + (f"; resume with: {resume_with}" if resume_with else "")
    )
    directory.record(**problem.facts())
    rules = problem.rules(config, ISLANDS)
    if checkpoint:
        evolution = Evolution.restored(rules, checkpoint)
    else:
        evolution = Evolution.begin(rules, problem.first)
        sums = _weighted_sums(config, problem, progress, clock)
        if sums:
            evolution.hall.update(evaluate_programs(rules, sums)[1].members.values())
    report, started, worked = ScoresReport(problem, config.seed), time.monotonic(), time.process_time()
    baselines = report.baselines()
    worked = time.process_time() - worked
    slowness = min((time.monotonic() - started) / max(worked, 1e-3), _SLOWEST)  # other jobs on the machine
    pictures = _PLOTS + _PAGE * len(problem.tasks) if config.report else 0.0
    reserve = slowness * (worked * _END + pictures)
    if reserve > config.time_budget / 2:
        final = "tests and pictures" if config.report else "tests"
        progress.message(f"the {final} take about {reserve:.0f} s of the time budget")
    course = _Course(config, evolution, directory, executor, progress, clock, checkpoint["log"] if checkpoint else [])
    stopped_by = course.run(reserve)
    progress.stage("testing the best programs", 0)
    summary = write_results(config, directory, report, baselines, evolution, stopped_by, clock)
    directory.append({"event": "finished", "stopped_by": stopped_by, "tau_test": summary["best"]["tau_test"]})
    return summary


def _weighted_sums(config: ScoresConfig, problem: ScoresProblem, progress: Progress, clock: Clock) -> list[Node]:
    """Fit weighted sums, in a share of the time budget. A fit that has begun is not interrupted."""
    if not config.weighted_terms:
        return []
    progress.stage("fitting weighted sums", 0)
    end = clock.left - _SUMS * config.time_budget
    weights = problem.fitness.weights if config.fitness == "weighted" else [1.0] * len(problem.selected)
    sums = WeightedSums(problem.table.columns, problem.selected, weights, config.weighted_ridge)
    return sums.fit(config.weighted_terms, lambda: clock.left > end)


class _Course:
    """Runs epochs up to a limit, and keeps the run directory up to date."""

    def __init__(
        self,
        config: ScoresConfig,
        evolution: Evolution,
        directory: RunDirectory,
        executor: Executor,
        progress: Progress,
        clock: Clock,
        log: list[dict[str, Any]],
    ) -> None:
        self._config, self._evolution, self._directory, self._progress = config, evolution, directory, progress
        self._executor, self._clock, self._log = executor, clock, log
        self._saved = -CHECKPOINT_SECONDS
        self._state = self._snapshot()

    def run(self, reserve: float) -> str:
        """Evolve, and return what ended it: ``"generations"``, ``"time"``, ``"interrupt"`` or ``"callback"``."""
        evolution, last = self._evolution, 0.0
        try:
            workers = range(self._executor.workers)
            list(self._executor.map(_import_here, workers))  # so that the first epoch takes no longer than the others
            while evolution.generation < self._config.generations:
                left = self._clock.left - reserve
                if evolution.epochs and left < last:
                    return "time"
                self._progress.remaining(max(left, 0.0) + reserve)
                started = time.monotonic()
                generations = min(EPOCH, self._config.generations - evolution.generation)
                evolution.step(self._executor, generations)
                last = time.monotonic() - started
                self._record(whole=generations == EPOCH)
        except StopIteration:
            return "callback"
        except KeyboardInterrupt:
            self._progress.message("interrupted: testing the programs found so far; press Ctrl-C again to stop at once")
            return "interrupt"
        finally:
            self._save()
        return "generations"

    def _record(self, *, whole: bool) -> None:
        """Add a row to the logbook, and save where it is time.

        Only the state after a ``whole`` epoch is saved: a run may be prolonged, and then does the whole epoch.
        """
        evolution, best = self._evolution, self._evolution.hall.candidates(1)[0]
        record = {
            "generation": evolution.generation,
            "seconds": round(self._clock.spent, 3),
            "full_size": 0,
            "programs_evaluated": evolution.counts.raced,
            "programs_evaluated_fully": evolution.counts.evaluated,
            "best_fitness": evolution.best(),
            "best_tau_train": best.train,
            "best_tau_validation": best.validation,
            "best_complexity": best.size,
            **{f"status_{status}": count for status, count in sorted(evolution.counts.statuses.items())},
        }
        self._log.append(record)
        if whole:
            self._state = self._snapshot()
        self._progress.generation(record)
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._save()

    def _snapshot(self) -> dict[str, Any]:
        return {**self._evolution.state(), "log": list(self._log)}

    def _save(self) -> None:
        """Write the checkpoint and the tables, also after an interrupt, which may leave the evolution in between."""
        self._saved = time.monotonic()
        self._directory.write_checkpoint({**self._state, "seconds": self._clock.spent})
        columns = list(dict.fromkeys(column for row in self._log for column in row))
        self._directory.write_csv("logbook.csv", columns, [[row.get(name, 0) for name in columns] for row in self._log])
        rows = [
            {
                "complexity": member.size,
                "tau_train": member.train,
                "tau_validation": member.validation,
                "program": member.program,
            }
            for member in self._evolution.hall.candidates(len(self._evolution.hall.members))
        ]
        write_hall(self._directory, rows, provisional=True)


def _import_here(_: int) -> None:
    """Do nothing, in a process that has to import this module for it."""


def _check_same(config: ScoresConfig, directory: RunDirectory, problem: ScoresProblem) -> None:
    """Refuse to resume with other files, plugins or versions of torch or the numerics than the run began with.

    Raises:
        InputError: One of them differs.
    """
    data, now = directory.manifest()["data"], problem.facts()["data"]
    for name, facts in data.items():
        if now.get(name, {}).get("sha256") != facts["sha256"]:
            raise InputError(f"{name} must be the file that the run began with, its content has changed")
    # Manifests of earlier versions have no plugins.
    check_plugins_of_run(data, {str(path.resolve()) for path in config.plugin})
    directory.check_versions()
