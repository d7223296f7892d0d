"""Tau of the trivial proxies, above which a relative fitness counts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from eznas.gp.library import LEAST_VISITED
from eznas.ranking import TauTarget
from eznas.scoring import Proxy, score_networks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.schedule import Schedule
    from eznas.gp.task import EvolutionTask
    from eznas.progress import Progress
    from eznas.scoring import Executor

TRIVIAL = ("params", "flops")
"""Measures that count the size of a network."""


def trivial_taus(
    problem: EvolutionProblem, executor: Executor, progress: Progress, schedule: Schedule
) -> list[tuple[float, float]]:
    """Return the best tau of the trivial proxies on the training and on the validation networks of each task.

    Networks have full size. A task on which no trivial proxy has a tau has 0. Tasks with the same networks share the
    counts.

    Args:
        problem: The tasks.
        executor: Runs the networks.
        progress: Advances after each network.
        schedule: Bounds the time of each task, by its name. Networks that are not reached are left out, but the first
            ``LEAST_VISITED`` are counted in any case.
    """
    counted: dict[tuple[str, tuple[str, ...]], dict[str, NDArray[np.float64]]] = {}
    taus = []
    for task in problem.tasks:
        networks = _mixed(task.train, task.validation)
        key = task.full.key, networks
        if key not in counted:
            progress.stage(f"counting the parameters and FLOPs of {task.name}", len(networks))
            matrix = score_networks(
                [Proxy.of(name) for name in TRIVIAL],
                task.full,
                networks,
                executor,
                progress,
                deadline=schedule.deadline(task.name),
                least=LEAST_VISITED,
            )
            counted[key] = dict(zip(matrix.architectures, matrix.values().T, strict=True))
            if len(counted[key]) < len(networks):
                progress.message(
                    f"the taus of parameters and FLOPs are those on {len(counted[key])} of {len(networks)} "
                    f"networks of {task.name}: there is no time for more"
                )
        taus.append((_best_tau(task, task.train, counted[key]), _best_tau(task, task.validation, counted[key])))
    return taus


def _mixed(train: Sequence[str], validation: Sequence[str]) -> tuple[str, ...]:
    """Return the networks of both parts in turns, so that a short time counts some of each.

    In the order of ``assemble.mixed``, the first networks may all be training networks.
    """
    pairs = itertools.zip_longest(train, validation)
    return tuple(name for pair in pairs for name in pair if name is not None)


def _best_tau(task: EvolutionTask, part: Sequence[str], counted: Mapping[str, NDArray[np.float64]]) -> float:
    """Return the best tau of a trivial proxy on the networks of a part that have all scores."""
    scored = [name for name in part if name in counted and np.isfinite(counted[name]).all()]
    scores = np.array([counted[name] for name in scored]).reshape(-1, len(TRIVIAL))
    taus = TauTarget(task.accuracies(scored)).taus(scores.T)
    return float(np.nan_to_num(taus, nan=0.0).max())
