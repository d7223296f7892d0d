"""Measured seconds of programs on networks of full size, and the bound that a user sets on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import cost, parse
from eznas.scoring import Proxy, score_networks
from eznas.scoring.executor import SerialExecutor

if TYPE_CHECKING:
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.scoring import Condition, Executor

_NETWORKS = 2
"""Networks that a program is timed on; the fastest counts, of those with a value."""

CHEAP, DEAR = "mean(mean(conv_out.data))", "mean(mean(weight_grad.data))"
"""Programs of one forward pass, and of one forward and one backward pass, which calibrate the estimate of costs."""


def seconds_of(proxy: Proxy, task: EvolutionTask, executor: Executor, condition: Condition | None = None) -> float:
    """Return the seconds of a proxy by itself on a network of the task, on one thread.

    Building the network counts. A proxy that has no value on the networks is timed all the same.

    Args:
        proxy: A program or a measure.
        task: The task.
        executor: Its bound on memory applies.
        condition: How the network is built and run; by default at full size.
    """
    networks = (task.validation or task.test)[:_NETWORKS]
    alone = SerialExecutor(executor.memory)
    matrix = score_networks([proxy], condition or task.full, networks, alone)
    scored = [seconds for seconds, score in zip(matrix.seconds, matrix.scores[0], strict=True) if score.ok]
    return min(scored or matrix.seconds)


def cost_limit(problem: EvolutionProblem, seconds: float, executor: Executor) -> float:
    """Return the greatest ``cost`` of a program that takes at most ``seconds`` on a network of every task.

    The cost of a program is an estimate in forward passes. Two programs of known costs give its scale on each task.
    """
    cheap, dear = cost(parse(CHEAP)), cost(parse(DEAR))
    limits = []
    for task in problem.tasks:
        low, high = (seconds_of(Proxy(text, text), task, executor) for text in (CHEAP, DEAR))
        per_pass = max(high - low, 1e-9) / (dear - cheap)
        limits.append(cheap + (seconds - low) / per_pass)
    return min(limits)
