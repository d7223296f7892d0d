"""The figures of programs and of single columns on the test architectures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from eznas.gp.results import number
from eznas.gp.verdict import SIZES, verdict
from eznas.gp.verdict import TaskScores as TaskComparison
from eznas.programs import parse
from eznas.programs.ablate import ablations
from eznas.rank_metrics import ndcg, precision_at_top, tau_equal_size
from eznas.ranking import Correlation, correlate
from eznas.status import Status
from eznas.symbolic.graph import Graph
from eznas.symbolic.operators import Language
from eznas.symbolic.pairs import PairTaus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.symbolic.hall import Member
    from eznas.symbolic.problem import ScoresProblem
    from eznas.symbolic.table import ScoreTable, TaskScores
    from eznas.symbolic.task import SplitTask


_RESAMPLES = 300
"""Bootstrap resamples of the interval of a tau, which the best program alone has."""

_RIVALS = 2
"""Columns that the best program is compared with on each task: those of the highest taus there."""

_SHOWN = 6
"""Columns that are drawn beside the best program."""

_AT_ONCE = 100
"""Programs that are evaluated together, which bounds the memory of their nodes."""


def program_scores(table: ScoreTable, task: TaskScores, program: str) -> NDArray[np.float64]:
    """Return the scores of a task's architectures by a program; not finite where it is undefined."""
    tree = parse(program)
    graph = Graph(Language(table.columns, [tree]), task.matrix(table.columns))
    values: NDArray[np.float64] = graph.values(graph.add_trees([tree]))[0]
    return values


class ScoresReport:
    """Makes the rows of programs and columns.

    Args:
        problem: The columns, the tasks and the fitness.
        seed: Seed of the bootstrap.
    """

    def __init__(self, problem: ScoresProblem, seed: int) -> None:
        self.problem = problem
        self._seed = seed
        self._trivial = {
            part: np.array([self._trivial_tau(test, getattr(test.split, part)) for test in problem.selected])
            for part in ("train", "validation", "test")
        }

    def programs(self, members: Sequence[Member]) -> list[dict[str, Any]]:
        """Return the rows of the hall of fame, in its order."""
        return [
            self._row(
                f"rank{rank}",
                member.program,
                member.size,
                {
                    test.task.name: program_scores(self.problem.table, test.task, member.program)
                    for test in self.problem.tasks
                },
                _RESAMPLES if rank == 0 else 0,
            )
            for rank, member in enumerate(members)
        ]

    def baselines(self) -> dict[str, dict[str, Any]]:
        """Return the rows of all columns; one that a task lacks has no figures there, nor over tasks."""
        names = dict.fromkeys(name for test in self.problem.tasks for name in test.task.scores)
        scores = {
            name: {test.task.name: test.task.scores[name] for test in self.problem.tasks if name in test.task.scores}
            for name in names
        }
        return {name: self._row(name, f"score.{name}", 1, scores[name]) for name in names}

    def ablation(self, best: Member) -> list[dict[str, Any]]:
        """Return the taus on the test architectures of the best program without each of its parts."""
        parts = ablations(parse(best.program))
        programs = [part.program for part in parts]
        taus = {test.task.name: self._test_taus(test, programs) for test in self.problem.tasks}
        return [
            {
                "without": part.without,
                "program": part.program.text,
                "tasks": {name: number(of_task[place]) for name, of_task in taus.items()},
            }
            for place, part in enumerate(parts)
        ]

    def verdict(self, best: Member, baselines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Compare the best program with the columns of the highest taus on each task.

        Architectures without a value of the program rank last.

        Args:
            best: The program.
            baselines: The rows of the columns.
        """
        compared, notes = [], []
        for test in self.problem.tasks:
            name, places = test.task.name, test.split.test
            taus = {column: _nan(row["tasks"][name]["tau"]) for column, row in baselines.items()}
            ranked = sorted((column for column, tau in taus.items() if math.isfinite(tau)), key=lambda one: -taus[one])
            scores = {column: test.task.scores[column][places] for column in ranked[:_RIVALS]}
            own = program_scores(self.problem.table, test.task, best.program)[places]
            accuracies = test.task.accuracies[places]
            sizes = {size: test.task.scores[size][places] for size in SIZES if size in test.task.scores}
            if failed := int((~np.isfinite(own)).sum()):
                own = rankdata(np.where(np.isfinite(own), own, -np.inf))
                notes.append(
                    f"On {name}, the best program has no value on {failed} of {len(own)} architectures, which rank "
                    "last in the comparison."
                )
            compared.append(TaskComparison(name, accuracies, {"best": own, **scores}, test.held_out, sizes))
        if len(baselines) > _RIVALS:
            notes.append("On each task, the two best columns are those with the highest tau on its test architectures.")
        rivals = "the two best columns" if len(baselines) > _RIVALS else "every column"
        found = verdict(compared, seed=self._seed, rivals=rivals)
        return {**found, "notes": [*found["notes"], *notes]}

    def test_scores(
        self, best: Member, baselines: Mapping[str, Mapping[str, Any]]
    ) -> tuple[tuple[str, ...], list[list[object]]]:
        """Return the header and the rows of ``test_scores.csv``: the best program and the columns of highest fitness.

        Args:
            best: The program.
            baselines: The rows of the columns.
        """
        ranked = sorted(self.problem.table.columns, key=lambda name: -_nan(baselines[name]["tau_train"]))
        names = ranked[:_SHOWN]
        rows: list[list[object]] = []
        for test in self.problem.tasks:
            scores = program_scores(self.problem.table, test.task, best.program)
            for place in test.split.test:
                others = [test.task.scores[name][place] for name in names]
                figures = [number(value) for value in (test.task.accuracies[place], scores[place], *others)]
                rows.append([test.task.name, test.task.architectures[place], *figures])
        return ("task", "architecture", "accuracy", "best", *names), rows

    def _row(
        self, name: str, program: str, size: int, scores: Mapping[str, NDArray[np.float64]], resamples: int = 0
    ) -> dict[str, Any]:
        tasks = {
            test.task.name: self._figures(test, scores.get(test.task.name), resamples) for test in self.problem.tasks
        }
        selected = [tasks[test.task.name] for test in self.problem.tasks if not test.held_out]
        over_tasks = {}
        for part, key in (("train", "tau_train"), ("validation", "tau_validation"), ("test", "tau")):
            taus = np.array([[_nan(task[key]) for task in selected]]) - self._trivial[part]
            over_tasks[f"tau_{part}"] = number(float(self.problem.fitness.over_tasks(taus)[0]))
        single = selected[0] if len(selected) == 1 else {}
        return {
            "name": name,
            "program": program,
            "complexity": size,
            "seconds": None,
            **over_tasks,
            "tau_test_low": single.get("tau_low"),
            "tau_test_high": single.get("tau_high"),
            "rho_test": single.get("rho"),
            "coverage": float(np.mean([task["coverage"] for task in tasks.values()])),
            "statuses": _total([task["statuses"] for task in tasks.values()]),
            "tasks": tasks,
        }

    def _figures(self, test: SplitTask, scores: NDArray[np.float64] | None, resamples: int) -> dict[str, Any]:
        """Return one task's figures of a program or a column; None unless all test architectures have a value."""
        if scores is None:
            scores = np.full(len(test.task.architectures), np.nan)
        parts = {"tau_train": test.split.train, "tau_validation": test.split.validation}
        taus = {name: number(_tau(scores[places], test.task.accuracies[places])) for name, places in parts.items()}
        own, accuracies = scores[test.split.test], test.task.accuracies[test.split.test]
        finite = np.isfinite(own)
        found = Correlation(math.nan, math.nan, math.nan, math.nan, math.nan, len(own))
        metrics = dict.fromkeys(("tau_equal_size", "precision_top10", "ndcg"), math.nan)
        if finite.all():
            found = correlate(own, accuracies, seed=self._seed, resamples=resamples)
            sizes = test.task.scores.get("params", np.full(len(scores), np.nan))[test.split.test]
            metrics = {
                "tau_equal_size": tau_equal_size(own, accuracies, sizes),
                "precision_top10": precision_at_top(own, accuracies),
                "ndcg": ndcg(own, accuracies),
            }
        counts = {Status.OK.value: int(finite.sum()), Status.NON_FINITE.value: int((~finite).sum())}
        return {
            **taus,
            "tau": number(found.tau),
            "tau_low": number(found.tau_low),
            "tau_high": number(found.tau_high),
            "rho": number(found.rho),
            "coverage": float(finite.mean()),
            "statuses": {status: count for status, count in counts.items() if count},
            "n": int(finite.sum()),
            **{name: number(value) for name, value in metrics.items()},
        }

    def _test_taus(self, test: SplitTask, programs: Sequence[Node]) -> list[float]:
        """Return the taus of programs on the test architectures; programs share the nodes that they have in common."""
        places, accuracies = test.split.test, test.task.accuracies[test.split.test]
        leaves = test.task.matrix(self.problem.table.columns)[:, places]
        taus: list[float] = []
        for begin in range(0, len(programs), _AT_ONCE):
            some = programs[begin : begin + _AT_ONCE]
            graph = Graph(Language(self.problem.table.columns, some), leaves)
            taus += [_tau(scores, accuracies) for scores in graph.values(graph.add_trees(some))]
        return taus

    def _trivial_tau(self, test: SplitTask, places: NDArray[np.int64]) -> float:
        """Return the tau that the fitness counts from."""
        accuracies = test.task.accuracies[places]
        taus = [_tau(test.task.scores[column][places], accuracies) for column in self.problem.trivial]
        return max((tau for tau in taus if math.isfinite(tau)), default=0.0)


def _tau(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    """Return the tau of some architectures; NaN for none, or if a score is not finite."""
    if not len(scores) or not np.isfinite(scores).all():
        return math.nan
    return float(PairTaus([accuracies]).taus(scores[None])[0, 0])


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _total(statuses: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in statuses:
        for status, count in counts.items():
            total[status] = total.get(status, 0) + count
    return total
