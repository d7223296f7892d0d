"""Measured seconds of programs on networks of full size, and the bound that a user sets on them."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.programs import cost, parse
from eznas.scoring import Proxy, score_networks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.scoring import Condition, Executor, ScoreMatrix

TIMED = 3
"""Networks that proxies are timed on."""

CHEAP, DEAR = "mean(mean(conv_out.data))", "mean(mean(weight_grad.data))"
"""Programs of one forward pass, and of one forward and one backward pass, which calibrate the estimate of costs."""


def seconds_of(proxies: Sequence[Proxy], task: EvolutionTask, executor: Executor) -> float:
    """Return the seconds of proxies together, or one by itself, on a network of full size, on one thread of a worker.

    Building the network counts. Of a few networks, the fastest counts among those on which some proxy has a value.

    Args:
        proxies: Programs or measures.
        task: The task.
        executor: Runs the networks.
    """
    return min(_of_scored(score_networks(proxies, task.full, _timed(task), executor)))


def median_seconds(
    proxies: Sequence[Proxy], task: EvolutionTask, executor: Executor, condition: Condition, most: float
) -> float:
    """Return the median seconds of proxies together on a few networks, whose sizes may differ much, on one thread.

    Building the network counts.

    Args:
        proxies: Programs or measures.
        task: The task.
        executor: Runs the networks.
        condition: How the networks are built and run.
        most: Seconds after which no network begins but the first.
    """
    matrix = score_networks(proxies, condition, _timed(task), executor, deadline=time.time() + most, least=1)
    return statistics.median(_of_scored(matrix))


def _timed(task: EvolutionTask) -> tuple[str, ...]:
    return (task.validation or task.test)[:TIMED]


def _of_scored(matrix: ScoreMatrix) -> list[float]:
    """Return the seconds of the networks on which some proxy has a value; of the slowest if there is none."""
    scored = [any(score.ok for score in scores) for scores in zip(*matrix.scores, strict=True)]
    return [seconds for seconds, ok in zip(matrix.seconds, scored, strict=True) if ok] or [max(matrix.seconds)]


def cost_limit(problem: EvolutionProblem, seconds: float, executor: Executor) -> float:
    """Return the greatest ``cost`` of a program that takes at most ``seconds`` on a network of every task.

    The cost of a program is an estimate in forward passes. Two programs of known costs give its scale on each task.

    Raises:
        InputError: No program is as cheap.
    """
    cheap, dear = cost(parse(CHEAP)), cost(parse(DEAR))
    limits = []
    for task in problem.tasks:
        low, high = (seconds_of([Proxy(text, text)], task, executor) for text in (CHEAP, DEAR))
        if seconds < low:
            raise InputError(
                f"max_cost must be at least about {low:.2g} s, which a program of one forward pass takes on a network "
                f"of {task.name}, got {seconds:.2g}",
                parameters=("max_cost",),
            )
        per_pass = max(high - low, 1e-9) / (dear - cheap)
        limits.append(cheap + (seconds - low) / per_pass)
    return min(limits)
