"""The weighted sum that a run fits to its networks of full size, beside the programs that it breeds.

A term is an aggregated reduction of the library, or a leaf of the network floor, or a simple function of one of them.
Weights are fitted to the training and the validation networks together, since many weights need many networks. The tau
of the sum on the validation networks is cross-validated: each of them is scored by a sum that was fitted without it.

A term keeps within its range on the networks that the sum was fitted to. Otherwise a single term could decide the score
of a network that is unlike these, such as one without a path from the input to the output.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.gp.fitness import over_tasks
from eznas.gp.library import single_aggregations
from eznas.programs.sums import clamped, simple_functions, weighted_sum
from eznas.ranking import TauTarget
from eznas.ranknet import RankNet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import FitnessCase, TaskFitness
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.ranknet import Sum

_FOLDS = 5
"""Parts of the validation networks; each is scored by a sum that was fitted without it."""

_LARGEST = 1e12
"""Largest magnitude of a term: the bounds of a term are literals of programs."""

_FEWEST, _MOST = 30, 500
"""Networks of full size of each task that a sum is fitted to at least and at most."""


@dataclass(frozen=True)
class FittedSum:
    """A weighted sum of many terms.

    Args:
        program: The sum, fitted to all networks.
        tau_train: Its tau over the tasks, less those of trivial proxies, on training networks that it was fitted to.
        tasks: Its tau on each task, on these networks.
        held_out: For each task, the cross-validated scores of its validation networks by architecture.
        taus: For each task, the tau of these scores.
    """

    program: Node
    tau_train: float
    tasks: tuple[float, ...]
    held_out: tuple[dict[str, float], ...]
    taus: tuple[float, ...]


class _Case:
    """The usable networks of a task at full size, with ``n x p`` values of the terms.

    Args:
        case: The task at full size; its panel knows all terms.
        terms: ``p`` programs.
    """

    def __init__(self, case: FitnessCase, terms: Sequence[Node]) -> None:
        usable = case.panel.usable
        self._case, self._usable = case, usable
        self.architectures = [name for name, flag in zip(case.panel.architectures, usable, strict=True) if flag]
        self.values = case.panel.table.scores(terms)[:, usable].T
        self.accuracies, self.training = case.accuracies[usable], case.training[usable]
        numbers = np.cumsum(~case.training)[usable]  # of all networks, so that tasks on the same networks share folds
        validation = ~self.training
        self.folds = [np.flatnonzero(validation & (numbers % _FOLDS == part)) for part in range(_FOLDS)]

    def without(self, fold: int | None) -> NDArray[np.intp]:
        """Return the networks that a sum is fitted to: those outside a fold, or all, but at most ``_MOST``."""
        everything = np.arange(len(self.accuracies))
        return (everything if fold is None else np.setdiff1d(everything, self.folds[fold]))[:_MOST]

    def tau_train(self, program: Node) -> float:
        """Return the tau of a program on the training networks."""
        scores = self._case.panel.table.scores([program])[:, self._usable]
        return float(TauTarget(self.accuracies[self.training]).taus(scores[:, self.training])[0])

    def tau_validation(self, scores: NDArray[np.float64]) -> float:
        """Return the tau of the scores of all networks on the validation networks."""
        return float(TauTarget(self.accuracies[~self.training]).taus(scores[None, ~self.training])[0])


def fit_sum(
    config: EvolveConfig,
    cases: Sequence[FitnessCase],
    tasks: Sequence[TaskFitness],
    reductions: Sequence[Node],
    leaves: Sequence[Node],
    progress: Progress,
    seconds_left: Callable[[], float],
) -> FittedSum | None:
    """Fit a weighted sum of at most ``config.weighted_terms`` terms.

    Args:
        config: Number of terms, ridge penalty, and fitness over the tasks.
        cases: Each task at full size; the panels know the reductions and leaves.
        tasks: How each task counts.
        reductions: Reductions that are finite on all networks.
        leaves: Leaves of the network floor.
        progress: Advances after each fit.
        seconds_left: Returns the seconds that the fits may still take.

    Returns:
        The sum, or None where there are fewer than 30 networks of a task, too few terms or too little time; a message
        says which.
    """
    if (fewest := min(int(case.panel.usable.sum()) for case in cases)) < _FEWEST:
        progress.message(f"no weighted sum: a task has {fewest} usable networks of full size, a sum needs {_FEWEST}")
        return None
    terms = _terms(cases, reductions, leaves)
    fitted_to = [_Case(case, terms) for case in cases]
    weights = [task.weight if config.fitness == "weighted" else 1.0 for task in tasks]
    progress.stage("fitting a weighted sum", 1 + _FOLDS)

    def fit(fold: int | None) -> Sum | None:
        rows = [case.without(fold) for case in fitted_to]
        values = [case.values[chosen] for case, chosen in zip(fitted_to, rows, strict=True)]
        accuracies = [case.accuracies[chosen] for case, chosen in zip(fitted_to, rows, strict=True)]
        sums = RankNet(values, accuracies, weights, config.weighted_ridge)
        found = next(sums.sums(config.weighted_terms, lambda: seconds_left() > 0), None)
        progress.advance()
        return found

    begun = time.monotonic()
    whole = fit(None)
    if whole is None or (seconds := _FOLDS * (time.monotonic() - begun)) > seconds_left():
        few = "there are too few terms" if whole is None else f"its fits would take about {seconds:.0f} s more"
        progress.message(f"no weighted sum: {few}")
        return None
    scores = [np.full(len(case.accuracies), np.nan) for case in fitted_to]
    for fold in range(_FOLDS):
        if (part := fit(fold)) is None:
            progress.message("no weighted sum: there are too few terms")
            return None
        low, high = _range([case.values[case.without(fold)][:, part.terms] for case in fitted_to])
        for case, row in zip(fitted_to, scores, strict=True):
            values = case.values[:, part.terms].clip(low, high)
            values -= values[case.without(fold)].mean(axis=0)  # the sums of the folds have different means
            row[case.folds[fold]] = values[case.folds[fold]] @ part.weights
    bounds = zip(*_range([case.values[:, whole.terms] for case in fitted_to]), strict=True)
    bounded = [clamped(terms[place], *bound) for place, bound in zip(whole.terms, bounds, strict=True)]
    program = weighted_sum(bounded, whole.weights.tolist())
    taus = np.array([case.tau_train(program) for case in fitted_to])
    margins = taus - [task.trivial[0] for task in tasks]
    return FittedSum(
        program=program,
        tau_train=float(over_tasks(margins[:, None], config.fitness, weights)[0]),
        tasks=tuple(taus.tolist()),
        held_out=tuple(
            {name: score for name, score in zip(case.architectures, row.tolist(), strict=True) if np.isfinite(score)}
            for case, row in zip(fitted_to, scores, strict=True)
        ),
        taus=tuple(case.tau_validation(row) for case, row in zip(fitted_to, scores, strict=True)),
    )


def _terms(cases: Sequence[FitnessCase], reductions: Sequence[Node], leaves: Sequence[Node]) -> list[Node]:
    """Return the terms that are finite on all usable networks."""
    plain = [program for reduction in reductions for program in single_aggregations(reduction)] + list(leaves)
    finite, least = _finite(cases, plain)
    plain = [program for program, flag in zip(plain, finite, strict=True) if flag]
    functions = [
        function
        for program, smallest in zip(plain, least[finite], strict=True)
        if smallest >= 0
        for function in simple_functions(program)
    ]
    flags, _ = _finite(cases, functions)
    return plain + [function for function, flag in zip(functions, flags, strict=True) if flag]


def _range(values: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest value of each term on the networks of all tasks."""
    return np.min([of_task.min(axis=0) for of_task in values], axis=0), np.max(
        [of_task.max(axis=0) for of_task in values], axis=0
    )


def _finite(cases: Sequence[FitnessCase], programs: Sequence[Node]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each program is finite and at most ``_LARGEST`` on all usable networks, and its least value."""
    scores = np.concatenate([case.panel.table.scores(programs)[:, case.panel.usable] for case in cases], axis=1)
    return (np.abs(scores) <= _LARGEST).all(axis=1), scores.min(axis=1)
