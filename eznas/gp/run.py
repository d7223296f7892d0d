"""A whole run: load, evolve within the budget, confirm at full size, write the run directory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eznas.errors import EznasError, InputError
from eznas.gp.assemble import build_evolution
from eznas.gp.confirmation import CANDIDATES, Confirmation
from eznas.gp.course import Course
from eznas.gp.fitted_sum import fit_sum
from eznas.gp.genealogy import Birth
from eznas.gp.problem import EvolutionProblem
from eznas.gp.results import write_networks, write_results
from eznas.gp.schedule import Schedule
from eznas.gp.seconds import cost_limit
from eznas.gp.time_plan import Clock, TimePlan
from eznas.gp.trivial import trivial_taus
from eznas.measures.registry import measure_programs
from eznas.programs import parse
from eznas.scoring.plugin import check_plugins_of_run, load_plugins
from eznas.scoring.vector_store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.config import EvolveConfig
    from eznas.gp.fitted_sum import FittedSum
    from eznas.gp.loop import Evolution
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.run import RunDirectory
    from eznas.scoring import Executor


_SUM_SHARE = 0.05
"""Share of the time budget that fitting a weighted sum may take in any case; the tests then have less time."""

STORE = "vectors.sqlite"
"""The file of a run directory that keeps vectors of reductions; a cache, which may be deleted."""


def run_evolution(
    config: EvolveConfig,
    directory: RunDirectory,
    executor: Executor,
    progress: Progress,
    *,
    resume: bool,
    resume_with: str = "",
    begun: float | None = None,
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
        begun: The value of ``time.monotonic()`` from which the time budget counts; by default now.

    Returns:
        The content of ``summary.json``.

    Raises:
        InputError: An option cannot be used, or the time budget is too short.
        EznasError: No usable program was found.
    """
    load_plugins(config.plugin)
    seeds = _seed_programs(config)  # before anything is written
    checkpoint = directory.read_checkpoint() if resume else None
    begun = time.monotonic() if begun is None else begun
    clock = Clock(config.time_budget, checkpoint["seconds"] if checkpoint else 0.0, begun)
    problem = EvolutionProblem.of(config)
    _check_same(directory, problem)
    progress.message(
        f"{'resuming' if resume else 'evolving'} on {problem}, at most {config.time_budget:.0f} s; "
        f"writing to {directory.path}" + (f"; resume with: {resume_with}" if resume_with else "")
    )
    progress.remaining(clock.left)
    plan = TimePlan.of(problem, config, executor, clock, progress, refuse=not resume and config.store is None)
    counting = 0.0 if checkpoint else plan.counting_seconds(problem, config)
    if checkpoint and checkpoint["time_budget"] == config.time_budget:
        plan = plan.with_choice(checkpoint["choice"])
        problem, screens = problem.with_tests(checkpoint["tests"]), checkpoint["screens"]
    else:
        plan, problem = plan.fitted(problem, config, clock, progress, counting)
        screens = checkpoint["screens"] if checkpoint else plan.screens(problem, config)
    directory.record(**problem.facts())
    write_networks(directory, problem)
    with VectorStore(config.store or directory.path / STORE, message=progress.message) as store:
        if checkpoint:
            trivial = [(train, validation) for train, validation in checkpoint["trivial"]]
        else:
            trivial = [(0.0, 0.0)] * len(problem.tasks)
            if config.relative:
                schedule = Schedule()
                schedule.begin(counting, plan.counting(problem))
                trivial = trivial_taus(problem, executor, progress, schedule)
        evolution = build_evolution(config, problem, store, executor, progress, screens=screens, trivial=trivial)
        if config.max_cost is not None and checkpoint is None:
            evolution.breeder.cost_limit = cost_limit(problem, config.max_cost, executor)
        course = Course(config, problem, evolution, directory, clock, plan, progress)
        stopped_by = course.run(checkpoint, seeds)
    if not evolution.hall.members:
        raise EznasError("no program ranks the validation networks; use more networks, or another seed")
    end = plan.end(problem, promoted=evolution.promoted)
    progress.remaining(end)
    after = end - plan.sum_seconds(problem, promoted=evolution.promoted)
    fits_end = clock.spent + max(clock.left - after, _SUM_SHARE * config.time_budget)
    fitted = _fit_sum(config, problem, evolution, progress, lambda: fits_end - clock.spent)
    candidates = evolution.hall.candidates(CANDIDATES)
    promoted = [task.name for task in problem.tasks if task.promoted]
    panels = dict(zip(promoted, evolution.full_panels, strict=False))  # none without a promotion
    confirmation = Confirmation(problem, config, trivial, executor, progress, plan.writing)
    confirmation.schedule.begin(clock.left - plan.writing, plan.end_parts(problem, promoted=evolution.promoted))
    finished = confirmation.finish(candidates, panels, fitted)
    return write_results(config, directory, problem, evolution, finished, clock.spent, stopped_by)


def _fit_sum(
    config: EvolveConfig,
    problem: EvolutionProblem,
    evolution: Evolution,
    progress: Progress,
    seconds_left: Callable[[], float],
) -> FittedSum | None:
    """Fit a weighted sum if evolution evaluated programs at full size on every task."""
    cases = [
        case
        for place, task in enumerate(problem.tasks)
        for case in evolution.evaluator.cases
        if case.task == place and case.panel.condition.key == task.full.key
    ]
    if not config.weighted_terms or [case.task for case in cases] != list(range(len(problem.tasks))):
        return None
    reductions, leaves = evolution.library.reductions, evolution.leaves
    fitted = fit_sum(config, cases, evolution.evaluator.tasks, reductions, leaves, progress, seconds_left)
    if fitted is not None:
        networks = sum(int(case.panel.usable.sum()) for case in cases)
        birth = Birth("weighted sum", (), evolution.generation, fitted.tau_train)
        evolution.genealogy.record(fitted.program.text, birth)
        progress.message(
            f"a weighted sum was fitted to {networks} networks of full size: tau "
            f"{', '.join(f'{tau:.3f}' for tau in fitted.taus)} on validation networks that the fit left out"
        )
    return fitted


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


def _check_same(directory: RunDirectory, problem: EvolutionProblem) -> None:
    """Refuse to resume on other data, another kind of device, or other versions of torch or the numerics.

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
    check_plugins_of_run(manifest["data"])
    device = manifest["device"] if manifest["data"] else now["device"]  # the name asked for, until data are recorded
    if device != now["device"]:
        raise InputError(f"the device must be the one that the run began with, {device}, got {now['device']}")
    directory.check_versions()
