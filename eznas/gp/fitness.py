"""From scores and accuracies to the quality of programs: tau-b on every task, and one number over the tasks."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from eznas.programs import is_constant
from eznas.ranking import TauTarget
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring import Panel


class Fitness(NamedTuple):
    """The fitness of one program.

    Args:
        status: OK, or why the program has no tau on the training networks.
        tau_train: Tau-b over the tasks, training networks; NaN unless OK.
        tau_validation: The same on the validation networks; NaN where a score is missing.
        key: Digest of the order of the training networks in every case; empty unless OK.
        tasks: Tau-b on each task, training networks: the least over the task's conditions.
    """

    status: Status
    tau_train: float
    tau_validation: float
    key: bytes
    tasks: tuple[float, ...] = ()


@dataclass(frozen=True)
class TaskFitness:
    """How a task counts.

    Args:
        weight: Weight in a weighted mean.
        trivial: Tau of the best trivial proxy, which is subtracted, on the training and on the validation networks.
    """

    weight: float = 1.0
    trivial: tuple[float, float] = (0.0, 0.0)


class FitnessCase:
    """A task under one condition: networks, and the accuracies that programs are to rank them by.

    Args:
        panel: ``n`` networks, for training and for validation.
        accuracies: ``n`` accuracies.
        training: ``n`` flags: whether the network is one for training.
        task: Number of the task.

    Attributes:
        panel, accuracies, training, task: As given.
    """

    def __init__(
        self, panel: Panel, accuracies: NDArray[np.float64], training: NDArray[np.bool_], task: int = 0
    ) -> None:
        self.panel, self.task = panel, task
        self.accuracies, self.training = accuracies, training
        self._usable = np.zeros(len(accuracies), bool)
        self._targets: tuple[TauTarget, TauTarget] | None = None  # of the usable networks

    def taus_and_ranks(
        self, programs: Sequence[Node]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.integer[Any]], NDArray[np.bool_]]:
        """Score programs made of known reductions on the networks that are usable.

        Returns:
            For each of ``p`` programs: tau on the training networks, tau on the validation networks, the ranks of the
            training networks, and whether all of these have a finite score.
        """
        usable = self.panel.usable
        if self._targets is None or not np.array_equal(usable, self._usable):
            train, validation = np.flatnonzero(usable & self.training), np.flatnonzero(usable & ~self.training)
            self._targets = (
                TauTarget(self.accuracies[train], train),
                TauTarget(self.accuracies[validation], validation),
            )
            self._usable = usable
        scores = self.panel.table.scores(programs)
        taus, ranks = self._targets[0].taus_and_ranks(scores)
        finite = ~np.isnan(taus)
        without = np.flatnonzero(~finite)
        finite[without] = np.isfinite(scores[without][:, usable & self.training]).all(axis=1)
        return taus, self._targets[1].taus(scores), ranks, finite


def over_tasks(taus: NDArray[np.float64], fitness: str, weights: Sequence[float]) -> NDArray[np.float64]:
    """Return one number over ``t`` tasks for each of ``p`` programs; NaN where a tau is missing.

    Args:
        taus: ``t x p`` taus.
        fitness: ``"least"``, ``"mean"``, ``"weighted"`` or ``"lexicase"``, whose number is the mean.
        weights: ``t`` weights for ``"weighted"``.
    """
    if fitness == "least":
        return np.asarray(taus.min(axis=0))
    return np.asarray(np.average(taus, axis=0, weights=weights if fitness == "weighted" else None))


class FitnessEvaluator:
    """Scores programs on training and validation networks of every task, under every condition.

    The sign of a program counts: tau is never made absolute. Within a task, the worst condition decides.

    Args:
        cases: At least one for each task.
        tasks: How each task counts; by default one task.
        fitness: See ``over_tasks``.

    Attributes:
        cases: The cases.
        tasks: How each task counts.
    """

    def __init__(
        self, cases: Iterable[FitnessCase], tasks: Sequence[TaskFitness] = (TaskFitness(),), fitness: str = "least"
    ) -> None:
        self.cases = list(cases)
        self.tasks, self._fitness = tuple(tasks), fitness

    @property
    def panels(self) -> list[Panel]:
        """The panels of the cases, each once."""
        return list({id(case.panel): case.panel for case in self.cases}.values())

    def left_out(self, task: int) -> dict[str, str]:
        """Return the networks that are left out in some case of a task, with the reasons."""
        return {name: why for case in self.cases if case.task == task for name, why in case.panel.left_out.items()}

    @property
    def stages(self) -> list[FitnessEvaluator]:
        """For each number of tasks from 1, an evaluator of the first tasks alone."""
        return [
            FitnessEvaluator([case for case in self.cases if case.task < count], self.tasks[:count], self._fitness)
            for count in range(1, len(self.tasks) + 1)
        ]

    def add(self, cases: Sequence[FitnessCase]) -> None:
        """Evaluate in further cases from here on."""
        self.cases += cases

    def drop(self, cases: Sequence[FitnessCase]) -> None:
        """Evaluate without cases from here on."""
        self.cases = [case for case in self.cases if case not in cases]

    def evaluate(self, programs: Sequence[Node]) -> list[Fitness]:
        """Return the fitness of each program; the panels must know all of its reductions."""
        varying = [program for program in programs if not is_constant(program)]
        fitness = dict(zip(varying, self._evaluate(varying), strict=True))
        constant = Fitness(Status.CONSTANT, math.nan, math.nan, b"")
        return [fitness.get(program, constant) for program in programs]

    def _over_tasks(self, taus: NDArray[np.float64], part: int) -> NDArray[np.float64]:
        """Return one number over the tasks for each program; part 0 are training networks, 1 validation networks."""
        trivial = np.array([task.trivial[part] for task in self.tasks])
        return over_tasks(taus - trivial[:, None], self._fitness, [task.weight for task in self.tasks])

    def _evaluate(self, programs: Sequence[Node]) -> list[Fitness]:
        if not programs:
            return []
        train = np.full((len(self.tasks), len(programs)), np.inf)
        validation = train.copy()
        ranked, finite = [], np.ones(len(programs), bool)
        for case in self.cases:
            taus, held, ranks_of_case, scored = case.taus_and_ranks(programs)
            # np.minimum gives NaN where any condition gave NaN: a tau that is missing somewhere is missing.
            train[case.task] = np.minimum(train[case.task], taus)
            validation[case.task] = np.minimum(validation[case.task], held)
            ranked.append(ranks_of_case)
            finite &= scored
        ranks = np.concatenate(ranked, axis=1)
        figures = (self._over_tasks(train, 0), self._over_tasks(validation, 1), *train)
        evaluated = []
        for row, (tau, held, *tasks) in enumerate(zip(*[figure.tolist() for figure in figures], strict=True)):
            if math.isfinite(tau):
                key = hashlib.blake2b(ranks[row].tobytes(), digest_size=16).digest()
                evaluated.append(Fitness(Status.OK, tau, held, key, tuple(tasks)))
            else:
                status = Status.CONSTANT if finite[row] else Status.NON_FINITE
                evaluated.append(Fitness(status, tau, held, b""))
        return evaluated
