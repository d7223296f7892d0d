"""A whole run: load, evolve within the budget, confirm at full size, write the run directory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eznas.errors import EznasError, InputError
from eznas.gp.assemble import build_evolution
from eznas.gp.confirmation import Confirmation
from eznas.gp.problem import EvolutionProblem
from eznas.gp.results import generation_record, write_logbook, write_provisional_hall, write_results
from eznas.gp.seconds import cost_limit
from eznas.gp.time_plan import Clock, TimePlan
from eznas.measures.registry import measure_programs
from eznas.programs import parse
from eznas.run import versions
from eznas.scoring.plugin import load_plugin, plugin_digests
from eznas.scoring.vector_store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.loop import Evolution
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.run import RunDirectory
    from eznas.scoring import Executor


CANDIDATES = 6
"""Members of the hall of fame that are scored at full size."""

STORE = "vectors.sqlite"
"""The file of a run directory that keeps vectors of reductions; a cache, which may be deleted."""

_LEAST_GENERATIONS = 5
"""Generations that a run breeds in any case: they take seconds, and a run without them would report chance."""

_CHECKPOINT_SECONDS = 10.0


def run_evolution(
    config: EvolveConfig,
    directory: RunDirectory,
    executor: Executor,
    progress: Progress,
    *,
    resume: bool,
    resume_with: str = "",
) -> dict[str, Any]:
    """Evolve proxies and write a complete run directory.

    The time budget covers the whole run: evolution stops early enough for the promotion and the confirmation at full
    size. An interrupt (Ctrl-C) during evolution, or a ``StopIteration`` that ``progress.generation`` raises, ends
    evolution there; the hall of fame is confirmed and reported, and the run can be resumed. A resumed run equals an
    uninterrupted one if the number of generations ends both.

    Args:
        config: The options.
        directory: Where to write.
        executor: Runs the networks.
        progress: Shows stages, messages and generations.
        resume: Whether to go on from the directory's checkpoint.
        resume_with: How to resume the run, as its first message says.

    Returns:
        The content of ``summary.json``.

    Raises:
        InputError: An option cannot be used, or the time budget is too short.
        EznasError: No usable program was found.
    """
    for file in config.plugin:
        load_plugin(file)
    seeds = _seed_programs(config)  # before anything is written
    checkpoint = directory.read_checkpoint() if resume else None
    clock = Clock(config.time_budget, checkpoint["seconds"] if checkpoint else 0.0)
    problem = EvolutionProblem.of(config)
    _check_same(directory, problem)
    progress.message(
        f"{'resuming' if resume else 'evolving'} on {problem}, at most {config.time_budget:.0f} s; "
        f"writing to {directory.path}" + (f"; resume with: {resume_with}" if resume_with else "")
    )
    progress.remaining(clock.left)
    plan = TimePlan.of(problem, executor, progress)
    if not resume and config.store is None:  # the work that a checkpoint or a store saves is not known
        plan.check(config, clock)
    directory.record(**problem.facts())
    with VectorStore(config.store or directory.path / STORE, message=progress.message) as store:
        evolution = build_evolution(config, problem, store, executor, progress)
        if config.max_cost is not None and checkpoint is None:
            evolution.breeder.cost_limit = cost_limit(problem, config.max_cost, executor)
        stopped_by = _Course(config, evolution, directory, clock, plan, progress).run(checkpoint, seeds)
    if not evolution.hall.members:
        raise EznasError("no program ranks the validation networks; use more networks, or another seed")
    progress.remaining(plan.end(promoted=evolution.promoted))
    candidates = evolution.hall.candidates(CANDIDATES)
    promoted = [task.name for task in problem.tasks if task.promoted]
    panels = dict(zip(promoted, evolution.full_panels, strict=False))  # none without a promotion
    finished = Confirmation(problem, config, executor, progress).finish(candidates, panels)
    return write_results(config, directory, problem, evolution, finished, clock.spent, stopped_by)


def _seed_programs(config: EvolveConfig) -> list[Node]:
    """Return the programs that evolution begins with.

    Raises:
        InputError: A text is not a program.
    """
    try:
        programs = [parse(text) for text in config.seed_program]
    except InputError as error:
        raise InputError(
            f"seed_program must be a program, such as those of a hall of fame: {error}", parameters=("seed_program",)
        ) from error
    return programs + [parse(text) for text in (measure_programs() if config.seed_measures else [])]


class _Course:
    """Breeds generations up to a limit, and keeps the run directory up to date."""

    def __init__(
        self,
        config: EvolveConfig,
        evolution: Evolution,
        directory: RunDirectory,
        clock: Clock,
        plan: TimePlan,
        progress: Progress,
    ) -> None:
        self._config, self._evolution, self._directory = config, evolution, directory
        self._clock, self._plan, self._progress = clock, plan, progress
        self._expansion_seconds, self._pace, self._promotes = 0.0, 0.1, bool(plan.promotion)
        self._saved = time.monotonic()

    def run(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> str:
        """Evolve, and return what ended it: ``"generations"``, ``"time"``, ``"interrupt"`` or ``"callback"``."""
        evolution, config, plan = self._evolution, self._config, self._plan
        try:
            self._begin(checkpoint, seeds)
            reserve = plan.confirmation + (plan.promotion if self._promotes else plan.choice)
            in_time = self._evolve(config.generations, reserve)
            self._save()  # a resume with more generations continues from here
            if self._promotes:
                evolution.promote()
            if evolution.promoted:
                further = evolution.generation + config.full_generations
                in_time = self._evolve(further, plan.confirmation) and in_time
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
        return "generations" if in_time else "time"

    def _begin(self, checkpoint: dict[str, Any] | None, seeds: Sequence[Node]) -> None:
        begun = self._clock.spent
        self._progress.remaining(self._plan.start + self._seconds_left())
        if checkpoint:
            self._evolution.restore(checkpoint)
            self._evolution.logbook.extend(checkpoint["log"])
        else:
            self._evolution.start(seeds)
        known = len(self._evolution.library.entries)
        self._directory.append({"event": "resumed" if checkpoint else "started", "reductions": known})
        # An expansion draws a quarter of the library, but building the networks takes about as long as for all of it.
        # Vectors from the store take no time, so a checkpoint keeps the time of the first evaluation.
        before = checkpoint["visit_seconds"] if checkpoint else 0.0
        self._expansion_seconds = max(before, (self._clock.spent - begun) / 2)
        # Decided once: later in the run the time left would decide otherwise, and a resumed run must do the same.
        if checkpoint and (checkpoint["promotes"] or checkpoint["time_budget"] == self._config.time_budget):
            self._promotes = checkpoint["promotes"]
        else:
            self._promotes = self._has_time_to_promote()
        self._save()

    def _has_time_to_promote(self) -> bool:
        """Whether generations and a promotion fit into the time that is left."""
        needed, left = self._plan.promotion, self._clock.left - self._plan.confirmation
        if needed > 0 and left <= needed:
            self._progress.message(
                f"no promotion to full size: it would take about {needed:.0f} s, and {max(left, 0):.0f} s are left "
                "for it and the generations; raise time_budget, or lower networks or full_networks"
            )
        return 0 < needed < left

    def _evolve(self, generations: int, reserve: float) -> bool:
        """Breed generations up to a number of them, and return whether the time sufficed for all."""
        evolution = self._evolution
        while evolution.generation < generations:
            due = evolution.expansion_is_due()
            few = evolution.generation < _LEAST_GENERATIONS and not evolution.promoted and not due
            if self._clock.left <= reserve + (self._expansion_seconds if due else 0.0) and not few:
                return False
            begun = self._clock.spent
            evolution.step()
            spent = self._clock.spent - begun
            if due:
                self._expansion_seconds = spent
            else:
                self._pace += (spent - self._pace) / 10
            record = generation_record(evolution, self._clock.spent)
            evolution.logbook.record(**record)
            self._progress.remaining(self._seconds_left())
            self._progress.generation(record)
            if due or time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
                self._save()
        return True

    def _seconds_left(self) -> float:
        """Estimate the seconds until the run ends."""
        last = self._config.generations + (self._config.full_generations if self._promotes else 0)
        end = self._plan.end(promoted=self._promotes)
        promotion = self._plan.promotion if self._promotes and not self._evolution.promoted else 0.0
        return max(end, min((last - self._evolution.generation) * self._pace + promotion + end, self._clock.left))

    def _save(self) -> None:
        """Write the checkpoint and the tables; after a promotion, which a resumed run does again, only the tables."""
        if not self._evolution.promoted:
            state = self._evolution.state()
            self._directory.write_checkpoint(
                {
                    **state,
                    "seconds": self._clock.spent,
                    "visit_seconds": self._expansion_seconds,
                    "promotes": self._promotes,
                    "time_budget": self._config.time_budget,
                    "log": [dict(row) for row in self._evolution.logbook],
                }
            )
            self._directory.append({"event": "saved", "generation": state["generation"], "judged": state["judged"]})
        write_logbook(self._directory, self._evolution)
        write_provisional_hall(self._directory, self._evolution)
        self._saved = time.monotonic()


def _check_same(directory: RunDirectory, problem: EvolutionProblem) -> None:
    """Refuse to resume on other data, another kind of device or another torch than the run began with.

    Raises:
        InputError: One of them differs from the manifest.
    """
    manifest, now = directory.manifest(), problem.facts()
    for name, facts in manifest["data"].items():
        here = now["data"].get(name, {"source": "nothing", "sha256": "no digest"})
        if facts["sha256"] != here["sha256"]:
            raise InputError(
                f"the {name} must be those that the run began with, {facts['source']} with SHA-256 "
                f"{facts['sha256'][:12]}..., got {here['source']} with {here['sha256'][:12]}..."
            )
    for file in plugin_digests("primitive") if manifest["data"] else ():
        if f"plugin {file}" not in manifest["data"]:
            raise InputError(
                f"the plugin {file} must not be loaded, since the run began without its primitives; resume the run in "
                "a new process"
            )
    device = manifest["device"] if manifest["data"] else now["device"]  # the name asked for, until data are recorded
    torch = manifest["versions"]["torch"]
    for name, before, here in (("device", device, now["device"]), ("torch", torch, versions()["torch"])):
        if before != here:
            raise InputError(f"the {name} must be the one that the run began with, {before}, got {here}")
