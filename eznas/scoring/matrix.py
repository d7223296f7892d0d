"""Scores of many proxies on many networks."""

from __future__ import annotations

import functools
import itertools
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from eznas.errors import NETWORK_FAILURES
from eznas.measures import MEASURES, Measure
from eznas.programs import Node, evaluate, network_leaves, parse, refused_programs
from eznas.progress import SILENT, Progress
from eznas.scoring.estimates import seconds_of
from eznas.scoring.executor import SERIAL, Executor, SerialExecutor
from eznas.scoring.measure_memory import plan_measures
from eznas.scoring.network_leaves import check_leaves, features_read, leaf_scores, measures_read, with_measures_read
from eznas.scoring.score_many import score_measures
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from eznas.minibatch import Minibatch
    from eznas.scoring.condition import Condition


T = TypeVar("T")


@dataclass(frozen=True)
class Proxy:
    """One thing that scores networks: a program, or a hand-written measure.

    Args:
        name: What reports call it.
        program: The program's text; empty for a measure.
        measure: Name of a registered measure that is a function; empty for a program.
    """

    name: str
    program: str = ""
    measure: str = ""

    @classmethod
    def of(cls, text: str, name: str = "") -> Proxy:
        """Read a registered measure's name or a program's text.

        Raises:
            InputError: It is neither.
        """
        if "(" not in text and "." not in text:
            measure: Measure = MEASURES[text]
            if measure.program:
                return cls(name or text, measure.program)
            return cls(name or text, measure=text)
        return cls(name or text, parse(text).text)

    def record(self) -> Measure:
        """Return the measure that it is; a program has its own name, which may be no registered one."""
        return MEASURES[self.measure] if self.measure else Measure(self.name, program=self.program)


@dataclass(frozen=True)
class ScoreMatrix:
    """Scores of ``p`` proxies on ``n`` networks.

    Args:
        proxies: The proxies.
        architectures: The networks.
        scores: ``p`` rows of ``n`` scores.
        seconds: For each network that was scored now, the seconds that building and scoring it took; 0 where its
            process ended.
    """

    proxies: tuple[Proxy, ...]
    architectures: tuple[str, ...]
    scores: tuple[tuple[Score, ...], ...]
    seconds: tuple[float, ...]

    def values(self) -> NDArray[np.float64]:
        """Return ``p x n`` values, NaN where a status says why there is none."""
        return np.array([[score.value for score in row] for row in self.scores], dtype=np.float64)

    def statuses(self, proxy: int) -> Counter[Status]:
        """Count the statuses of one proxy."""
        return Counter(score.status for score in self.scores[proxy])


def estimate_proxies(proxies: Sequence[Proxy], network: nn.Module, minibatch: Minibatch) -> list[float | None]:
    """Return the estimated seconds of each proxy alone; None where the network does not run."""
    seconds = seconds_of([proxy.record() for proxy in proxies], network, minibatch)
    return [seconds.get(proxy.name) for proxy in proxies]


def score_networks(
    proxies: Sequence[Proxy],
    condition: Condition,
    architectures: Sequence[str],
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
    keep: Callable[[str, Sequence[Score]], None] = lambda *_: None,
    *,
    begin: Callable[[str], None] | None = None,
    deadline: float | None = None,
    least: int = 0,
) -> ScoreMatrix:
    """Score every proxy on every network; each network is built once and its statistics are captured once.

    A network that ends the process that runs it has scores of status EXCEPTION.

    Args:
        proxies: The proxies to compute.
        condition: How the networks are built and run.
        architectures: The networks.
        executor: Runs the networks.
        progress: Advances after each network.
        keep: Called with each architecture and its ``p`` scores, in any order.
        begin: Called with each architecture before it runs in this process; not called for other processes.
        deadline: The value of ``time.time()`` from which on no network begins; the matrix then has the networks before
            the first one that did not begin. None for no deadline.
        least: The number of first networks that run in any case.

    Raises:
        InputError: A program reads a measure or feature that does not exist, or a column of a score file.
    """
    leaves = _leaves_read(proxies)
    if architectures:
        check_leaves(leaves, features_read(leaves, condition.space, architectures[0]))
    call = functools.partial(_score_one, tuple(proxies), condition, executor.memory)
    if begin is not None and isinstance(executor, SerialExecutor):
        call = functools.partial(_begun, begin, call)

    def lost(_: str, sentence: str) -> tuple[list[Score], float]:
        return [Score.failed(Status.EXCEPTION, sentence)] * len(proxies), 0.0

    results: dict[str, tuple[list[Score], float]] = {}
    scored = executor.map(call, architectures, lost=lost, deadline=deadline, least=least)
    for architecture, (scores, spent) in scored:
        results[architecture] = scores, spent
        keep(architecture, scores)
        progress.advance()
    reached = tuple(itertools.takewhile(results.__contains__, architectures))
    ordered = [results[architecture] for architecture in reached]
    rows = tuple(tuple(scores[row] for scores, _ in ordered) for row in range(len(proxies)))
    return ScoreMatrix(tuple(proxies), reached, rows, tuple(spent for _, spent in ordered))


def _begun(begin: Callable[[str], None], call: Callable[[str], T], architecture: str) -> T:
    begin(architecture)
    return call(architecture)


def _score_one(
    proxies: Sequence[Proxy], condition: Condition, memory: int | None, architecture: str
) -> tuple[list[Score], float]:
    start = time.perf_counter()
    try:
        features = features_read(_leaves_read(proxies), condition.space, architecture)
        network = condition.network(architecture)
    except NETWORK_FAILURES as error:
        failed = Score.failed(Status.EXCEPTION, f"building {architecture} failed: {error}")
        return [failed] * len(proxies), time.perf_counter() - start
    return score_network(proxies, network, condition.minibatch, memory, features), time.perf_counter() - start


def score_network(
    proxies: Sequence[Proxy],
    network: nn.Module,
    minibatch: Minibatch,
    memory: int | None = None,
    features: Mapping[str, float] | None = None,
) -> list[Score]:
    """Score every proxy on one network, whose statistics are captured once and whose passes measures share.

    A measure that programs read is computed once, also where it is a proxy itself.

    Args:
        proxies: The proxies to compute.
        network: The network; it is left as it was.
        minibatch: Images and labels, on the network's device.
        memory: Bytes that a program or measure may take; None for no bound. It does not change a score; a program or
            measure that needs more has the status MEMORY_LIMIT.
        features: The features of the network's architecture; None where the architecture is not known.

    Raises:
        InputError: A program reads a measure or feature that does not exist, or a column of a score file.
    """
    programs: list[Node] = [parse(proxy.program) for proxy in proxies if proxy.program]
    check_leaves(network_leaves(programs), features)
    own = [proxy.measure for proxy in proxies if proxy.measure]
    plan, scores = None, dict[Node, Score]()
    if memory is not None and (own or measures_read(network_leaves(programs))):
        # programs that do not fit are known before measures run
        scores = refused_programs(programs, network, minibatch, memory=memory)
        read = measures_read(network_leaves([program for program in programs if program not in scores]))
        records = with_measures_read([MEASURES[name] for name in dict.fromkeys([*own, *read])])
        plan = plan_measures(records, network, minibatch, memory)
        for program in programs:
            lacking = next((name for name in measures_read([program]) if name in plan.refused), None)
            if lacking is not None and program not in scores:
                refused = plan.refused[lacking]
                scores[program] = Score.failed(refused.status, f"measure.{lacking}: {refused.detail}")
    left = [program for program in programs if program not in scores]
    leaves = network_leaves(left)
    records = [MEASURES[name] for name in dict.fromkeys([*own, *measures_read(leaves)])]
    measured = score_measures(records, network, minibatch, features=features, memory=memory, plan=plan)
    given = leaf_scores(leaves, measured, features)
    scores |= zip(left, evaluate(left, network, minibatch, memory=memory, leaves=given), strict=True)
    return [scores[parse(proxy.program)] if proxy.program else measured[proxy.measure] for proxy in proxies]


def _leaves_read(proxies: Sequence[Proxy]) -> list[Node]:
    """Return the leaves of the network floor that proxies read, also through measures that are programs."""
    programs = [parse(proxy.program) for proxy in proxies if proxy.program]
    names = [*[proxy.measure for proxy in proxies if proxy.measure], *measures_read(programs)]
    records = with_measures_read([MEASURES[name] for name in names])
    return network_leaves([*programs, *[parse(record.program) for record in records if record.program]])
