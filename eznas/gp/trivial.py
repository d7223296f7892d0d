"""Tau of the trivial proxies, above which a relative fitness counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.ranking import TauTarget
from eznas.scoring import Proxy, score_networks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.gp.problem import EvolutionProblem
    from eznas.progress import Progress
    from eznas.scoring import Executor

TRIVIAL = ("params", "flops")
"""Measures that count the size of a network."""


def trivial_taus(problem: EvolutionProblem, executor: Executor, progress: Progress) -> list[tuple[float, float]]:
    """Return the best tau of the trivial proxies on the training and on the validation networks of each task.

    Networks have full size. A task on which no trivial proxy has a tau has 0.
    """
    taus = []
    for task in problem.tasks:
        networks = (*task.train, *task.validation)
        progress.stage(f"counting the parameters and operations of {task.name}", len(networks))
        matrix = score_networks([Proxy.of(name) for name in TRIVIAL], task.full, networks, executor, progress)
        values, split = matrix.values(), len(task.train)
        parts = (task.train, values[:, :split]), (task.validation, values[:, split:])
        train, validation = (_best_tau(task.accuracies(part), scores) for part, scores in parts)
        taus.append((train, validation))
    return taus


def _best_tau(accuracies: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the best tau of the rows of scores on the networks that have all of them."""
    scored = np.isfinite(scores).all(axis=0)
    taus = TauTarget(accuracies[scored]).taus(scores[:, scored])
    return float(np.nan_to_num(taus, nan=0.0).max())
