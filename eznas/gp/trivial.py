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

    Networks have full size; those that fail do not count. A task on which no trivial proxy has a tau has 0.
    """
    taus = []
    for task in problem.tasks:
        networks = (*task.train, *task.validation)
        progress.stage(f"counting the parameters and operations of {task.name}", len(networks))
        matrix = score_networks([Proxy.of(name) for name in TRIVIAL], task.full, networks, executor, progress)
        values, split = matrix.values(), len(task.train)
        accuracies = task.accuracies(networks)
        parts = slice(split), slice(split, None)
        train, validation = (_best_tau(values[:, part], accuracies[part]) for part in parts)
        taus.append((train, validation))
    return taus


def _best_tau(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    finite = np.isfinite(scores).all(axis=0)
    return float(np.nan_to_num(TauTarget(accuracies[finite]).taus(scores[:, finite]), nan=0.0).max())
