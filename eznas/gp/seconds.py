"""Measured seconds of programs on networks of full size, and the bound that a user sets on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.programs import cost, parse
from eznas.scoring import Proxy, score_networks
from eznas.scoring.executor import SerialExecutor

if TYPE_CHECKING:
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.scoring import Executor

_NETWORKS = 2
"""Networks that a program is timed on; the first one warms up, the fastest of the others counts."""

_CHEAP, _DEAR = "mean(mean(conv_out.data))", "mean(mean(weight_grad.data))"
"""Programs of one forward pass, and of one forward and one backward pass, which calibrate the estimate of costs."""


def seconds_of(proxy: Proxy, task: EvolutionTask, executor: Executor) -> float:
    """Return the seconds of a proxy by itself on a network of the task at full size, on one thread.

    Building the network counts. A proxy without a value is timed all the same.
    """
    networks = (task.validation or task.test)[:_NETWORKS]
    return min(score_networks([proxy], task.full, networks, SerialExecutor(executor.memory)).seconds[1:])


def cost_limit(problem: EvolutionProblem, seconds: float, executor: Executor) -> float:
    """Return the greatest ``cost`` of a program that takes at most ``seconds`` on a network of every task.

    The cost of a program is an estimate in forward passes. Two programs of known costs give its scale on each task.
    """
    cheap, dear = cost(parse(_CHEAP)), cost(parse(_DEAR))
    limits = []
    for task in problem.tasks:
        low, high = (seconds_of(Proxy(text, text), task, executor) for text in (_CHEAP, _DEAR))
        per_pass = max(high - low, 1e-9) / (dear - cheap)
        limits.append(cheap + (seconds - low) / per_pass)
    return min(limits)
