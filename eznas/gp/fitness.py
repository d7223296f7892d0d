"""From scores and accuracies to the quality of programs: tau-b, the least over the conditions."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.programs import is_constant
from eznas.ranking import TauTarget
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring import Panel


@dataclass(frozen=True)
class Fitness:
    """The fitness of one program.

    Args:
        status: OK, or why the program has no tau on the training networks.
        tau_train: Least tau-b over the conditions, training networks; NaN unless OK.
        tau_validation: The same on the validation networks; NaN where a score is missing.
        key: Digest of the order of the training networks under every condition; empty unless OK.
    """

    status: Status
    tau_train: float
    tau_validation: float
    key: bytes


@dataclass(frozen=True)
class FitnessCase:
    """Networks under one condition, and the accuracies that programs are to rank them by.

    Args:
        panel: The networks: first the training ones, then the validation ones.
        train: Accuracies of the training networks.
        validation: Accuracies of the validation networks.
        split: Number of training networks.
    """

    panel: Panel
    train: TauTarget
    validation: TauTarget
    split: int

    @classmethod
    def of(cls, panel: Panel, train: NDArray[np.float64], validation: NDArray[np.float64]) -> FitnessCase:
        """Prepare the accuracies."""
        return cls(panel, TauTarget(train), TauTarget(validation), len(train))


class FitnessEvaluator:
    """Scores programs on training and validation networks under every condition.

    The sign of a program counts: tau is never made absolute, and the worst condition decides.

    Args:
        cases: One for each condition.
    """

    def __init__(self, cases: Sequence[FitnessCase]) -> None:
        self._cases = list(cases)

    @property
    def panels(self) -> list[Panel]:
        """The panel of each case."""
        return [case.panel for case in self._cases]

    def add(self, case: FitnessCase) -> None:
        """Evaluate under one more condition from here on."""
        self._cases.append(case)

    def drop(self, case: FitnessCase) -> None:
        """Evaluate without a condition from here on."""
        self._cases.remove(case)

    def evaluate(self, programs: Sequence[Node]) -> list[Fitness]:
        """Return the fitness of each program; the panels must know all of its reductions."""
        varying = [program for program in programs if not is_constant(program)]
        fitness = dict(zip(varying, self._evaluate(varying), strict=True))
        constant = Fitness(Status.CONSTANT, math.nan, math.nan, b"")
        return [fitness.get(program, constant) for program in programs]

    def _evaluate(self, programs: Sequence[Node]) -> list[Fitness]:
        train, validation, ranked = [], [], []
        finite = np.ones(len(programs), bool)
        for case in self._cases:
            scores = case.panel.table.scores(programs)
            taus, ranks = case.train.taus_and_ranks(scores[:, : case.split])
            train.append(taus)
            ranked.append(ranks)
            finite &= np.isfinite(scores[:, : case.split]).all(axis=1)
            validation.append(case.validation.taus(scores[:, case.split :]))
        # np.min gives NaN where any condition gave NaN: a tau that is missing somewhere is missing.
        least_train, least_validation = np.min(train, axis=0), np.min(validation, axis=0)
        evaluated = []
        for row, (tau, held) in enumerate(zip(least_train.tolist(), least_validation.tolist(), strict=True)):
            if math.isfinite(tau):
                evaluated.append(Fitness(Status.OK, tau, held, _order_key([ranks[row] for ranks in ranked])))
            else:
                status = Status.CONSTANT if finite[row] else Status.NON_FINITE
                evaluated.append(Fitness(status, tau, held, b""))
        return evaluated


def _order_key(ranks: Sequence[NDArray[np.integer[Any]]]) -> bytes:
    return hashlib.blake2b(b"".join([row.tobytes() for row in ranks]), digest_size=16).digest()
