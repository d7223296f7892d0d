"""A whole run: load, evolve within the budget, confirm at full size, write the run directory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import EznasError, InputError
from eznas.gp.confirmation import BASELINES, finish
from eznas.gp.fitness import FitnessCase, FitnessEvaluator
from eznas.gp.loop import Evolution
from eznas.gp.problem import EvolutionProblem
from eznas.gp.results import generation_record, write_logbook, write_provisional_hall, write_results
from eznas.measures.registry import measure_programs
from eznas.programs import parse
from eznas.run import versions
from eznas.scoring import Executor, Panel, Proxy, score_networks
from eznas.scoring.executor import SerialExecutor
from eznas.scoring.plugin import load_plugin, plugin_digests
from eznas.scoring.vector_store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.config import EvolveConfig
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.run import RunDirectory
    from eznas.scoring import Condition

__all__ = ["run_evolution"]

CANDIDATES = 6
"""Members of the hall of fame that are scored at full size."""

STORE = "vectors.sqlite"
"""Where a run directory keeps what reductions gave; a cache that can be deleted."""

_SCREENED = 20
"""Training networks on which more reductions are tried than visit all; no screening with less than twice as many."""

_CHECKPOINT_SECONDS = 10.0
_SAFETY = 2.0
"""So much longer than the baselines alone, which the time is measured with, take the programs and the baselines."""

_PROMOTION = 3.0
"""So much longer than the baselines take the reductions of a promotion."""


class _Clock:
    """Seconds of the run so far, those before a resume included, against the budget."""

    def __init__(self, budget: float, spent: float) -> None:
        self._start = time.monotonic() - spent
        self._budget = budget

    @property
    def spent(self) -> float:
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        return self._budget - self.spent


def run_evolution(
    config: EvolveConfig, directory: RunDirectory, executor: Executor, progress: Progress, *, resume: bool
) -> dict[str, Any]:
    """Evolve proxies and leave a complete run directory.

    The time budget covers the whole run: evolution stops early enough for the promotion and the confirmation at full
    size. An interrupt (Ctrl-C) during evolution ends it there; what was found so far is confirmed and reported, and the
    run can still be resumed. A resumed run equals one that was never stopped where the number of generations ends it;
    where the time does, it gets as far as the time allows.

    Args:
        config: What to do.
        directory: Where to write.
        executor: Runs the networks.
        resume: Whether to go on from the directory's checkpoint.
        progress: Is told of progress.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: Something in the configuration cannot be used.
        EznasError: Nothing usable was found.
    """
    for file in config.plugin:
        load_plugin(file)
    seeds = _seed_programs(config)  # before anything is written
    checkpoint = directory.read_checkpoint() if resume else None
    clock = _Clock(config.time_budget, checkpoint["seconds"] if checkpoint else 0.0)
    problem = EvolutionProblem.of(config)
    _check_same(directory, problem)
    directory.record(**_facts(problem))
    with VectorStore(config.store or directory.path / STORE, message=progress.message) as store:
        evolution = _evolution(config, problem, store, executor, progress)
        reserves = _Reserves.of(problem, executor, progress)
        stopped_by = _Course(config, evolution, directory, clock, reserves, progress).run(checkpoint, seeds)
    if not evolution.hall.members:
        raise EznasError("no program ranks the validation networks; use more networks, or another seed")
    candidates = evolution.hall.candidates(CANDIDATES)
    finished = finish(problem, candidates, evolution.full_panel, config.seed, executor, progress)
    return write_results(config, directory, problem, evolution, finished, clock.spent, stopped_by)


def _seed_programs(config: EvolveConfig) -> list[Node]:
    """Return the programs that evolution begins with.

    Raises:
        InputError: One is no program.
    """
    try:
        given = [parse(text) for text in config.seed_program]
    except InputError as error:
        raise InputError(f"--seed-program must be a program, as those of a hall of fame are: {error}") from error
    return given + [parse(text) for text in (measure_programs() if config.seed_measures else [])]


def _evolution(
    config: EvolveConfig, problem: EvolutionProblem, store: VectorStore, executor: Executor, progress: Progress
) -> Evolution:
    def case(
        condition: Condition, train: tuple[str, ...], validation: tuple[str, ...] = problem.validation
    ) -> FitnessCase:
        panel = Panel(condition, (*train, *validation), store, executor)
        return FitnessCase.of(panel, problem.problem.accuracies(train), problem.problem.accuracies(validation))

    evaluator = FitnessEvaluator([case(condition, problem.train) for condition in problem.breeding])
    promotion = case(problem.full, problem.promoted) if problem.promoted else None
    screening = None
    if config.draws > 1 and config.networks >= 2 * _SCREENED:
        screening = FitnessEvaluator([case(condition, problem.train[:_SCREENED], ()) for condition in problem.breeding])
    return Evolution(config, evaluator, promotion, screening, progress)


@dataclass(frozen=True)
class _Reserves:
    """Seconds that are kept for what comes at the end, as estimated from a few networks of full size.

    Args:
        promotion: For the promotion.
        choice: For choosing among the hall of fame on the validation networks, where no promotion did.
        confirmation: For scoring the hall of fame and the baselines on the test networks.
    """

    promotion: float
    choice: float
    confirmation: float

    @classmethod
    def of(cls, problem: EvolutionProblem, executor: Executor, progress: Progress) -> _Reserves:
        """Time the baselines on a few networks, the first to warm up, and extrapolate."""
        few = problem.validation[:4]
        progress.stage("timing networks of full size", len(few))
        proxies = [Proxy.of(name) for name in BASELINES]
        matrix = score_networks(proxies, problem.full, few, SerialExecutor(executor.memory), progress)
        one = float(np.median(matrix.seconds[1:])) / executor.workers
        promoted = len(problem.promoted) + len(problem.validation) if problem.promoted else 0
        choice, confirmation = (_SAFETY * one * len(part) for part in (problem.validation, problem.test))
        return cls(_PROMOTION * one * promoted, choice, confirmation)


class _Course:
    """Runs generations until one of the limits, and keeps the run directory up to date."""

    def __init__(
        self,
        config: EvolveConfig,
        evolution: Evolution,
        directory: RunDirectory,
        clock: _Clock,
        reserves: _Reserves,
        progress: Progress,
    ) -> None:
        self._config, self._evolution, self._directory = config, evolution, directory
        self._clock, self._reserves, self._progress = clock, reserves, progress
        self._visit_seconds, self._promotes = 0.0, False
        self._saved = time.monotonic()

    def run(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> str:
        """Evolve and say what ended it: ``"generations"``, ``"time"`` or ``"interrupt"``; begin with the seeds."""
        evolution, config, reserves = self._evolution, self._config, self._reserves
        try:
            self._begin(checkpoint, seeds)
            reserve = reserves.confirmation + (reserves.promotion if self._promotes else reserves.choice)
            in_time = self._evolve(config.generations, reserve)
            self._save()  # for a resume with more generations, which must not begin from what follows
            if self._promotes:
                evolution.promote()
            if evolution.promoted:
                further = evolution.generation + config.full_generations
                in_time = self._evolve(further, reserves.confirmation) and in_time
                self._save()
        except KeyboardInterrupt:
            if not evolution.hall.members:
                raise
            write_logbook(self._directory, evolution)
            self._progress.message("interrupted: confirming what was found so far; press Ctrl-C again to stop at once")
            return "interrupt"
        return "generations" if in_time else "time"

    def _begin(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> None:
        begun = self._clock.spent
        if checkpoint:
            self._evolution.restore(checkpoint)
            self._evolution.logbook.extend(checkpoint["log"])
        else:
            self._evolution.start(seeds)
        known = len(self._evolution.library.entries)
        self._directory.append({"event": "resumed" if checkpoint else "started", "reductions": known})
        # An expansion draws a quarter of the library; building the networks is what the rest of the time goes to.
        # What the store knew took no time, so a checkpoint says what the visits took before.
        before = checkpoint["visit_seconds"] if checkpoint else 0.0
        self._visit_seconds = max(before, (self._clock.spent - begun) / 2)
        # Decided once, as late in the run the time left would say otherwise, and a resume is to do the same.
        if checkpoint and (checkpoint["promotes"] or checkpoint["time_budget"] == self._config.time_budget):
            self._promotes = checkpoint["promotes"]
        else:
            self._promotes = self._has_time_to_promote()
        self._save()

    def _has_time_to_promote(self) -> bool:
        """Whether generations and a promotion fit into the time that is left."""
        needed, left = self._reserves.promotion, self._clock.left - self._reserves.confirmation
        if needed > 0 and left <= needed:
            self._progress.message(
                f"no promotion to full size: it would take about {needed:.0f} s, and {max(left, 0):.0f} s are left "
                "for it and the generations; raise --time-budget, or lower --networks or --full-networks"
            )
        return 0 < needed < left

    def _evolve(self, generations: int, reserve: float) -> bool:
        """Do generations up to a number of them, and say whether the time allowed for all."""
        while self._evolution.generation < generations:
            due = self._evolution.expansion_is_due()
            if self._clock.left <= reserve + (self._visit_seconds if due else 0.0):
                return False
            begun = self._clock.spent
            self._evolution.step()
            if due:
                self._visit_seconds = self._clock.spent - begun
            record = generation_record(self._evolution, self._clock.spent)
            self._evolution.logbook.record(**record)
            self._progress.generation(record)
            if due or time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
                self._save()
        return True

    def _save(self) -> None:
        """Keep what a resumed run needs; after the promotion, which is done again then, only what people read."""
        if not self._evolution.promoted:
            state = self._evolution.state()
            self._directory.write_checkpoint(
                {
                    **state,
                    "seconds": self._clock.spent,
                    "visit_seconds": self._visit_seconds,
                    "promotes": self._promotes,
                    "time_budget": self._config.time_budget,
                    "log": [dict(row) for row in self._evolution.logbook],
                }
            )
            self._directory.append({"event": "saved", "generation": state["generation"], "judged": state["judged"]})
        write_logbook(self._directory, self._evolution)
        write_provisional_hall(self._directory, self._evolution)
        self._saved = time.monotonic()


def _facts(problem: EvolutionProblem) -> dict[str, Any]:
    """What the manifest says about the data and the device."""
    return {
        "device": problem.problem.device,
        "target": str(problem.problem.accuracy_table.target),
        "conditions": [str(condition) for condition in problem.breeding],
        "reported_on": str(problem.full),
        "data": {
            "table": {"source": problem.problem.accuracy_table.source, "sha256": problem.problem.accuracy_table.digest},
            "images": {"source": problem.problem.minibatch.source, "sha256": problem.problem.minibatch.digest},
            **{f"plugin {path}": {"source": path, "sha256": digest} for path, digest in plugin_digests().items()},
        },
    }


def _check_same(directory: RunDirectory, problem: EvolutionProblem) -> None:
    """Refuse to resume on other data, another kind of device or another torch than the run began with.

    Raises:
        InputError: One of them differs from what the manifest says.
    """
    manifest, now = directory.manifest(), _facts(problem)
    for what, facts in manifest["data"].items():
        here = now["data"].get(what, {"source": "nothing", "sha256": "no digest"})
        if facts["sha256"] != here["sha256"]:
            raise InputError(
                f"the {what} must be those that the run began with, {facts['source']} with SHA-256 "
                f"{facts['sha256'][:12]}..., got {here['source']} with {here['sha256'][:12]}..."
            )
    here_now = problem.problem.device
    device = manifest["device"] if manifest["data"] else here_now  # the name asked for, until data are recorded
    torch = manifest["versions"]["torch"]
    for what, before, here in (("device", device, here_now), ("torch", torch, versions()["torch"])):
        if before != here:
            raise InputError(f"the {what} must be that which the run began with, {before}, got {here}")
