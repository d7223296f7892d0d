"""The end of a run: the hall of fame is scored at full size, ordered on validation and reported on test networks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.gp.fitness import over_tasks
from eznas.programs import parse, simplify_exact
from eznas.ranking import Correlation, correlate
from eznas.scoring import Combination, Proxy, score_networks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.config import EvolveConfig
    from eznas.gp.individual import Individual
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.progress import Progress
    from eznas.scoring import Executor, Panel, ScoreMatrix


BASELINES = ("params", "flops", "depth", "synflow", "naswot", "zico", "az_nas", "meco", "eznas_a")
"""Measures, and combinations of measures, that every run is compared with."""


_COMBINED = {name: combination for name in BASELINES if (combination := Combination.parse(name)) is not None}

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
        scores: ``n`` scores on the test networks, NaN where there is none.
        statuses: The number of test networks by status.
    """

    tau_train: float
    validation: Correlation | None
    test: Correlation
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
        tau_train: The fitness before parsimony; NaN for a baseline.
        tau_validation: Tau over the tasks on the validation networks; NaN for a baseline.
        tau_test: Tau over the tasks on the test networks, held-out tasks left out.
        tasks: By task, those held out included.
    """

    name: str
    program: str
    complexity: int
    tau_train: float
    tau_validation: float
    tau_test: float
    tasks: dict[str, TaskResult]


@dataclass(frozen=True)
class Finished:
    """The final comparison.

    Args:
        evolved: The evolved programs, the best on the validation networks first.
        baselines: The hand-written and published measures.
        tested: For each task the test networks, in the order of the scores.
        origin: Text of the best program as it was bred, before it was simplified.
    """

    evolved: tuple[Row, ...]
    baselines: tuple[Row, ...]
    tested: dict[str, tuple[str, ...]]
    origin: str


class Confirmation:
    """Orders candidates by the validation networks at full size; reports them and the baselines on the test networks.

    Args:
        problem: The tasks.
        config: Fitness over the tasks, and the seed of the bootstrap.
        executor: Runs the networks.
        progress: Advances after each network.
    """

    def __init__(self, problem: EvolutionProblem, config: EvolveConfig, executor: Executor, progress: Progress) -> None:
        self._problem, self._config = problem, config
        self._executor, self._progress = executor, progress

    def finish(self, candidates: Sequence[Individual], panels: Mapping[str, Panel]) -> Finished:
        """Score candidates and baselines.

        Args:
            candidates: Members of the hall of fame.
            panels: By task, panels at full size, which know the candidates' reductions and whose last networks are the
                validation networks; none without a promotion.
        """
        held = {task.name: self._on_validation(task, candidates, panels.get(task.name)) for task in self._problem.tasks}
        taus = self._over_tasks(held, len(candidates))
        scored = [sum(rows[index].n for rows in held.values()) for index in range(len(candidates))]

        def choice(index: int) -> tuple[int, float, int]:
            """Order by the number of networks scored, then by tau, then by simplicity."""
            tau = taus[index]
            return (-scored[index], -tau if np.isfinite(tau) else np.inf, candidates[index].program.size)

        order = sorted(range(len(candidates)), key=choice)
        compared = [
            dataclasses.replace(_simplified(candidates[index], rank), name=f"rank{rank}")
            for rank, index in enumerate(order)
        ]
        results: list[dict[str, TaskResult]] = [{} for _ in [*order, *BASELINES]]
        tested = {}
        for task in self._problem.every_task:
            rows, tested[task.name] = self._on_test(task, compared)
            for rank, result in enumerate(rows):
                if rank < len(order) and not task.held_out:
                    place, index = self._problem.tasks.index(task), order[rank]
                    result = dataclasses.replace(  # noqa: PLW2901
                        result, tau_train=candidates[index].tasks[place], validation=held[task.name][index]
                    )
                results[rank][task.name] = result
        whole = self._over_tasks(
            {task.name: [result[task.name].test for result in results] for task in self._problem.tasks}, len(results)
        )
        names = [*[proxy.name for proxy in compared], *BASELINES]
        programs = [*[proxy.program for proxy in compared], *[_program(name) for name in BASELINES]]
        rows = [
            Row(
                name=names[row],
                program=programs[row],
                complexity=parse(programs[row]).size if programs[row] else 0,
                tau_train=candidates[order[row]].tau_train if row < len(order) else float("nan"),
                tau_validation=float(taus[order[row]]) if row < len(order) else float("nan"),
                tau_test=float(whole[row]),
                tasks=results[row],
            )
            for row in range(len(names))
        ]
        origin = candidates[order[0]].program.text
        return Finished(tuple(rows[: len(order)]), tuple(rows[len(order) :]), tested, origin)

    def _over_tasks(self, rows: Mapping[str, Sequence[Correlation]], count: int) -> NDArray[np.float64]:
        taus = np.array([[row.tau for row in rows[task.name]] for task in self._problem.tasks]).reshape(-1, count)
        return over_tasks(taus, self._config.fitness, [task.weight for task in self._problem.tasks])

    def _on_validation(
        self, task: EvolutionTask, candidates: Sequence[Individual], panel: Panel | None
    ) -> list[Correlation]:
        if panel is None:
            proxies = [_simplified(candidate, index) for index, candidate in enumerate(candidates)]
            stage = f"choosing among {len(proxies)} programs at full size"
            self._progress.stage(f"{stage}{self._of(task)}", len(task.validation))
            matrix = score_networks(proxies, task.full, task.validation, self._executor, self._progress)
            networks, values = matrix.architectures, matrix.values()
        else:
            networks = task.validation
            values = panel.table.scores([candidate.program for candidate in candidates])[:, -len(networks) :]
        return [self._correlate(row, task.accuracies(networks)) for row in values]

    def _on_test(self, task: EvolutionTask, programs: Sequence[Proxy]) -> tuple[list[TaskResult], tuple[str, ...]]:
        """Score programs, then the baselines, on the test networks of a task."""
        stage = f"testing {len(programs)} programs and {len(BASELINES)} baselines at full size"
        self._progress.stage(f"{stage}{self._of(task)}", len(task.test))
        proxies = [*programs, *map(Proxy.of, MEASURED)]
        matrix = score_networks(proxies, task.full, task.test, self._executor, self._progress)
        values = dict(zip([*[proxy.name for proxy in programs], *MEASURED], matrix.values(), strict=True))
        accuracies = task.accuracies(matrix.architectures)
        results = []
        for name in [*[proxy.name for proxy in programs], *BASELINES]:
            combined = _COMBINED.get(name)
            scores = (
                combined.scores(np.array([values[part] for part in combined.measures])) if combined else values[name]
            )
            test = self._correlate(scores, accuracies)
            results.append(TaskResult(float("nan"), None, test, scores, _statuses(matrix, name, scores)))
        return results, matrix.architectures

    def _of(self, task: EvolutionTask) -> str:
        return f" on {task.name}" if len(self._problem.every_task) > 1 else ""

    def _correlate(self, scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> Correlation:
        finite = np.isfinite(scores)
        return correlate(scores[finite], accuracies[finite], seed=self._config.seed)


def _simplified(candidate: Individual, index: int) -> Proxy:
    return Proxy(f"candidate{index}", simplify_exact(candidate.program).text)


def _program(name: str) -> str:
    return "" if name in _COMBINED else Proxy.of(name).program


def _statuses(matrix: ScoreMatrix, name: str, scores: NDArray[np.float64]) -> dict[str, int]:
    """Count the test networks by status; a combination has a value where all of its measures have one."""
    names = [proxy.name for proxy in matrix.proxies]
    if name in names:
        counted = matrix.statuses(names.index(name))
        return {status.value: count for status, count in sorted(counted.items(), key=str)}
    finite = int(np.isfinite(scores).sum())
    return {status: count for status, count in (("non_finite", len(scores) - finite), ("ok", finite)) if count}
