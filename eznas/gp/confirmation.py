"""The end of a run: the hall of fame is scored at full size, ordered on validation and reported on test networks."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from eznas.gp.fitness import over_tasks
from eznas.gp.schedule import Schedule
from eznas.gp.seconds import seconds_of
from eznas.programs import parse, simplify_exact
from eznas.programs.ablate import ablations
from eznas.rank_metrics import ndcg, precision_at_top, tau_equal_size
from eznas.ranking import Correlation, correlate
from eznas.scoring import Combination, Proxy, score_networks
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.config import EvolveConfig
    from eznas.gp.fitted_sum import FittedSum
    from eznas.gp.individual import Individual
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.progress import Progress
    from eznas.scoring import Executor, Panel, ScoreMatrix


BASELINES = ("params", "flops", "depth", "synflow", "naswot", "zico", "az_nas", "meco", "eznas_a")
"""Measures, and combinations of measures, that every run is compared with."""


_COMBINED = {name: combination for name in BASELINES if (combination := Combination.parse(name)) is not None}

CANDIDATES = 6
"""Members of the hall of fame that are tested and reported."""

_LEAST_SCORED = 10
"""Networks of a task that are scored at least, however short the time is."""

MEASURED = tuple(
    dict.fromkeys(part for name in BASELINES for part in (_COMBINED[name].measures if name in _COMBINED else (name,)))
)
"""The measures that the baselines consist of."""


@dataclass(frozen=True)
class TaskResult:
    """One proxy on one task.

    Args:
        tau_train: Tau of evolution on the training networks; NaN for a baseline and for a task that is held out.
        validation: Correlation on the validation networks at full size; None where they are not scored.
        test: Correlation on the test networks at full size.
        metrics: ``tau_equal_size``, ``precision_top10`` and ``ndcg`` on the test networks.
        scores: ``n`` scores on the test networks, NaN where there is none.
        statuses: The number of test networks by status.
    """

    tau_train: float
    validation: Correlation | None
    test: Correlation
    metrics: dict[str, float]
    scores: NDArray[np.float64]
    statuses: dict[str, int]

    @property
    def coverage(self) -> float:
        """Share of the test networks with a score."""
        return float(np.isfinite(self.scores).mean())


@dataclass(frozen=True)
class Row:
    """One proxy of the final comparison.

    Args:
        name: ``"rank0"``, ``"rank1"`` ... for evolved programs, or a baseline's name.
        program: Its text; empty for a measure that is a function.
        complexity: Number of nodes; 0 for such a measure.
        seconds: Seconds on a network of full size, building included, on the task where it takes longest; NaN where
            there was no time to measure it.
        tau_train: Tau over the tasks in evolution; NaN for a baseline.
        tau_validation: Tau over the tasks on the validation networks; NaN for a baseline.
        tau_test: Tau over the tasks on the test networks, held-out tasks left out.
        tasks: By task, those held out included.
    """

    name: str
    program: str
    complexity: int
    seconds: float
    tau_train: float
    tau_validation: float
    tau_test: float
    tasks: dict[str, TaskResult]


@dataclass(frozen=True)
class Ablated:
    """The best program without one of its parts.

    Args:
        without: The part.
        program: The text of the rest.
        taus: Tau on the test networks by task, NaN where undefined.
    """

    without: str
    program: str
    taus: dict[str, float]


@dataclass(frozen=True)
class Finished:
    """The final comparison.

    Args:
        evolved: The evolved programs, the best on the validation networks first.
        baselines: The hand-written and published measures.
        ablation: The best program without each of its parts.
        tested: For each task the test networks, in the order of the scores.
        failures: For each task the test networks on which no evolved program has a score, with the reason of the best.
        origin: Text of the best program as it was bred, before it was simplified.
    """

    evolved: tuple[Row, ...]
    baselines: tuple[Row, ...]
    ablation: tuple[Ablated, ...]
    tested: dict[str, tuple[str, ...]]
    failures: dict[str, dict[str, str]]
    origin: str


class Confirmation:
    """Orders candidates by the validation networks at full size; reports them and the baselines on the test networks.

    Args:
        problem: The tasks.
        config: Fitness over the tasks, and the seed of the bootstrap.
        trivial: For each task of selection the taus of ``TaskFitness.trivial``; the choice is relative to the second.
        executor: Runs the networks.
        progress: Advances after each network.
        writing: Expected seconds to write the results, for the estimate of the time left.
    """

    def __init__(
        self,
        problem: EvolutionProblem,
        config: EvolveConfig,
        trivial: Sequence[tuple[float, float]],
        executor: Executor,
        progress: Progress,
        writing: float = 0.0,
    ) -> None:
        self._problem, self._config = problem, config
        self._trivial = np.array([validation for _, validation in trivial])
        self._scored_before: dict[tuple[Any, ...], ScoreMatrix] = {}
        self._executor, self._progress, self._writing = executor, progress, writing
        self.schedule = Schedule()

    def finish(
        self, hall: Sequence[Individual], panels: Mapping[str, Panel], fitted: FittedSum | None = None
    ) -> Finished:
        """Score candidates and baselines.

        Args:
            hall: Members of the hall of fame.
            panels: By task, panels at full size, which hold the validation networks and know the candidates'
                reductions; none without a promotion.
            fitted: One more candidate, which was fitted to the validation networks too.
        """
        held = [
            self._on_validation(task, hall, panels.get(task.name), fitted.held_out[place] if fitted else None)
            for place, task in enumerate(self._problem.tasks)
        ]
        candidates: list[Individual | FittedSum] = [*hall, *([fitted] if fitted else [])]
        by_candidate = list(zip(*held, strict=True))
        programs = [Proxy(f"candidate{index}", _simplified(each)) for index, each in enumerate(candidates)]
        seconds = self._timed(programs)
        taus = self._over_tasks(by_candidate)
        margins = self._over_tasks(by_candidate, self._trivial)

        def choice(index: int) -> tuple[bool, int, float, int]:
            """Order by the bound on seconds, then by the number of networks scored, by fitness, and by simplicity."""
            too_slow = self._config.max_cost is not None and not seconds[programs[index].name] <= self._config.max_cost
            scored = sum(correlation.n for correlation in by_candidate[index])
            tau = margins[index] if np.isfinite(margins[index]) else -np.inf
            return (too_slow, -scored, -tau, candidates[index].program.size)

        order = sorted(range(len(candidates)), key=choice)
        ranked = [replace(programs[index], name=f"rank{rank}") for rank, index in enumerate(order)]
        parts = [(f"without{place}", part) for place, part in enumerate(ablations(parse(ranked[0].program)))]
        ablated = [Proxy(name, part.program.text) for name, part in parts]
        matrices = {task.name: self._on_test(task, [*ranked, *ablated]) for task in self._problem.every_task}
        names = [*(proxy.name for proxy in ranked), *MEASURED, *_COMBINED]
        tests = {task.name: self._results(task, matrices[task.name], names) for task in self._problem.every_task}
        evolved = []
        for proxy, index in zip(ranked, order, strict=True):
            results = {name: result[proxy.name] for name, result in tests.items()}
            for place, task in enumerate(self._problem.tasks):
                tau = candidates[index].tasks[place]
                results[task.name] = replace(results[task.name], tau_train=tau, validation=held[place][index])
            row = self._row(proxy.name, proxy.program, seconds[programs[index].name], results)
            weights = [task.weight for task in self._problem.tasks]
            trained = over_tasks(np.array(candidates[index].tasks)[:, None], self._config.fitness, weights)
            evolved.append(replace(row, tau_train=float(trained[0]), tau_validation=float(taus[index])))
        baselines = [
            self._row(name, _program(name), seconds[name], {task: results[name] for task, results in tests.items()})
            for name in BASELINES
        ]
        ablation = [
            Ablated(part.without, part.program.text, {task: results[name].test.tau for task, results in tests.items()})
            for name, part in parts
        ]
        return Finished(
            evolved=tuple(evolved),
            baselines=tuple(baselines),
            ablation=tuple(ablation),
            tested={task: matrix.architectures for task, matrix in matrices.items()},
            failures={task: _failures(matrix, len(ranked)) for task, matrix in matrices.items()},
            origin=candidates[order[0]].program.text,
        )

    def _timed(self, programs: Sequence[Proxy]) -> dict[str, float]:
        """Return the seconds of programs and baselines on a network of full size, on the task where they are most.

        Programs come first. A proxy that is not timed before the end of the schedule has NaN.
        """
        proxies = [*programs, *(Proxy.of(name) for name in MEASURED)]
        seconds = dict.fromkeys([proxy.name for proxy in proxies], math.nan)
        distinct = {(task.full.key, task.validation): task for task in self._problem.tasks}
        self._progress.stage("timing programs", len(proxies) * len(distinct))
        deadline = self.schedule.deadline("timing") or math.inf
        for proxy in proxies:
            for task in distinct.values():
                alone = seconds_of([proxy], task, self._executor) if time.time() < deadline else math.nan
                seconds[proxy.name] = float(np.fmax(seconds[proxy.name], alone))
                self._progress.advance()
        for name, combination in _COMBINED.items():
            seconds[name] = sum(seconds[measure] for measure in combination.measures)
        return seconds

    def _row(self, name: str, program: str, seconds: float, results: dict[str, TaskResult]) -> Row:
        tau = self._over_tasks([[results[task.name].test for task in self._problem.tasks]])[0]
        size = parse(program).size if program else 0
        return Row(name, program, size, seconds, math.nan, math.nan, float(tau), results)

    def _over_tasks(
        self, rows: Sequence[Sequence[Correlation]], trivial: NDArray[np.float64] | float = 0.0
    ) -> NDArray[np.float64]:
        """Return one tau, less those of trivial proxies, for each row of correlations with the tasks of selection."""
        taus = np.array([[correlation.tau for correlation in row] for row in rows]) - trivial
        return over_tasks(taus.T, self._config.fitness, [task.weight for task in self._problem.tasks])

    def _on_validation(
        self,
        task: EvolutionTask,
        candidates: Sequence[Individual],
        panel: Panel | None,
        held_out: Mapping[str, float] | None,
    ) -> list[Correlation]:
        """Return the correlation of each candidate, and of the scores of one more candidate by network."""
        if panel is None:
            proxies = [Proxy(f"candidate{index}", _simplified(each)) for index, each in enumerate(candidates)]
            stage = f"choosing among {len(proxies)} programs at full size"
            self._progress.stage(f"{stage}{self._of(task)}", len(task.validation))
            matrix = self._scored(proxies, task, "validation")
            networks, values = matrix.architectures, matrix.values()
        else:
            networks = tuple(name for name in task.validation if name not in panel.left_out)
            columns = [panel.architectures.index(name) for name in networks]
            values = panel.table.scores([candidate.program for candidate in candidates])[:, columns]
        if held_out is not None:  # all candidates are compared on the networks that the sum has scores of
            known = [name in held_out for name in networks]
            networks = tuple(itertools.compress(networks, known))
            values = np.vstack([values[:, known], [held_out[name] for name in networks]])
        return [self._correlate(row, task.accuracies(networks), resamples=0) for row in values]

    def _on_test(self, task: EvolutionTask, programs: Sequence[Proxy]) -> ScoreMatrix:
        """Score programs and the measures of the baselines on the test networks of a task."""
        stage = f"testing programs and {len(BASELINES)} baselines at full size"
        self._progress.stage(f"{stage}{self._of(task)}", len(task.test))
        proxies = [*programs, *(Proxy.of(name) for name in MEASURED)]
        return self._scored(proxies, task, "test")

    def _scored(
        self, proxies: Sequence[Proxy], task: EvolutionTask, part: Literal["validation", "test"]
    ) -> ScoreMatrix:
        """Score proxies on networks of a task; tasks with the same networks are scored once."""
        networks = task.validation if part == "validation" else task.test
        key = (task.full.key, networks, tuple(proxies))
        if key not in self._scored_before:
            deadline = self.schedule.deadline((part, task.name))
            begun, left = time.time(), itertools.count(len(networks) - 1, -1)

            def estimate(*_: object) -> None:
                """Estimate the time left from the networks that are scored."""
                count, now = next(left), time.time()
                here = min(count * (now - begun) / (len(networks) - count), (deadline or math.inf) - now)
                behind = min(max(here, 0.0) + self.schedule.waiting, (self.schedule.end or math.inf) - now)
                self._progress.remaining(max(behind, 0.0) + self._writing)

            arguments = (proxies, task.full, networks, self._executor, self._progress, estimate)
            self._scored_before[key] = score_networks(*arguments, deadline=deadline, least=_LEAST_SCORED)
        return self._scored_before[key]

    def _results(self, task: EvolutionTask, matrix: ScoreMatrix, reported: Collection[str]) -> dict[str, TaskResult]:
        """Return the result of each program and baseline, by name; those that are ``reported`` have an interval."""
        values = {proxy.name: row for proxy, row in zip(matrix.proxies, matrix.values(), strict=True)}
        statuses = {proxy.name: matrix.statuses(row) for row, proxy in enumerate(matrix.proxies)}
        for name, combination in _COMBINED.items():
            values[name] = combination.scores(np.array([values[measure] for measure in combination.measures]))
            finite = np.isfinite(values[name])
            statuses[name] = Counter(Status.OK if flag else Status.NON_FINITE for flag in finite.tolist())
        accuracies = task.accuracies(matrix.architectures)
        results = {}
        for name, scores in values.items():
            counted = {status.value: count for status, count in sorted(statuses[name].items(), key=str)}
            metrics = _metrics(scores, accuracies, values["params"])
            test = self._correlate(scores, accuracies, resamples=1000 if name in reported else 0)
            results[name] = TaskResult(math.nan, None, test, metrics, scores, counted)
        return results

    def _of(self, task: EvolutionTask) -> str:
        return f" on {task.name}" if len(self._problem.every_task) > 1 else ""

    def _correlate(self, scores: NDArray[np.float64], accuracies: NDArray[np.float64], resamples: int) -> Correlation:
        finite = np.isfinite(scores)
        return correlate(scores[finite], accuracies[finite], seed=self._config.seed, resamples=resamples)


def _failures(matrix: ScoreMatrix, count: int) -> dict[str, str]:
    """Return the networks on which the first ``count`` proxies have no score, with the reason of the first."""
    columns = zip(matrix.architectures, zip(*matrix.scores[:count], strict=True), strict=True)
    return {network: scores[0].detail for network, scores in columns if not any(score.ok for score in scores)}


def _metrics(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], params: NDArray[np.float64]
) -> dict[str, float]:
    finite = np.isfinite(scores)
    scores, accuracies = scores[finite], accuracies[finite]
    return {
        "tau_equal_size": tau_equal_size(scores, accuracies, params[finite]),
        "precision_top10": precision_at_top(scores, accuracies),
        "ndcg": ndcg(scores, accuracies),
    }


def _simplified(candidate: Individual | FittedSum) -> str:
    return simplify_exact(candidate.program).text


def _program(name: str) -> str:
    return "" if name in _COMBINED else Proxy.of(name).program
