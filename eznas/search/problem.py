"""From options to what a run needs: the domain, the objective, the proxy that guides, and the budget."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.benchmarks import BENCHMARKS, load_table, read_table
from eznas.benchmarks.reference import trained_fidelity
from eznas.errors import InputError, unknown
from eznas.scoring import SERIAL, Executor, Problem
from eznas.scoring.plugin import load_plugin, plugin_digests
from eznas.search.combine import Combined
from eznas.search.domain import Domain
from eznas.search.loop import Objective, SearchBudget
from eznas.search.protocol import ALGORITHMS, Algorithm, SearcherConfig
from eznas.search.score_files import read_scores
from eznas.search.signals import ComputedSignal, TabularSignal
from eznas.search.surrogate import SURROGATES
from eznas.search.table_signals import levels_of, table_signals
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.benchmarks import AccuracyTable
    from eznas.scoring import Condition, Proxy
    from eznas.search.config import SearchConfig
    from eznas.search.signals import Observation, Signal
    from eznas.spaces import SearchSpace

__all__ = ["SearchProblem", "make_problem"]

_NO_TABLE = "none"
_REFERENCE = 100
"""Architectures that combined proxies are compared with, where scoring them takes time."""


@dataclass(frozen=True)
class SearchProblem:
    """What every run of a search shares.

    Args:
        algorithm: The algorithm.
        domain: What may be proposed.
        objective: What is climbed, and what is reported.
        proxy: What guides; None for nothing.
        budget: When a run ends.
        config: The algorithm's settings.
        warmup: Architectures that warm-up scores.
        move: Probability that a move is guided.
        live: The signals that run networks, by what they were asked for as.
        facts: What reports say of it.
        data: What the runs depend on beside the options, such as digests of files; see ``run_repeats``.
    """

    algorithm: Algorithm
    domain: Domain
    objective: Objective
    proxy: Signal | None
    budget: SearchBudget
    config: SearcherConfig
    warmup: int
    move: float
    live: Mapping[str, ComputedSignal]
    facts: Mapping[str, Any]
    data: Mapping[str, Any]


def make_problem(
    options: SearchConfig,
    resolve: Callable[[str], Proxy],
    *,
    executor: Executor = SERIAL,
    record: Callable[[str, str, Observation], None] = lambda _name, _architecture, _observation: None,
    restore: Callable[[str, ComputedSignal], None] = lambda _name, _live: None,
) -> SearchProblem:
    """Resolve every name and check that the options fit together.

    Args:
        options: What is asked for.
        resolve: Reads a measure's name, a program, or a file.
        executor: Runs the networks.
        record: Is told of every network that is scored: the signal as it was asked for, architecture, observation.
        restore: Is given every signal that runs networks before it is asked for anything, to remember what it gave.

    Raises:
        InputError: A name is unknown, a file is faulty, or options contradict each other.
    """
    for file in options.plugin:
        load_plugin(file)
    algorithm = ALGORITHMS[options.algorithm]
    if options.surrogate:
        SURROGATES[options.surrogate]  # an unknown one is refused before anything is computed
    if not options.signal:
        raise InputError("there must be a signal to climb; give --signal")
    sources = _Sources(options, resolve, executor, record, restore)
    signals, proxies = _named_signals(options, algorithm, sources)
    domain = Domain(sources.space, sources.architectures())
    proxy_names = options.proxy or options.signal
    levels = (
        levels_of(options.signal[0], sources.columns)
        if algorithm.levels
        else [_together(options, options.signal, signals, domain)]
    )
    guided = bool(options.warmup or options.move)
    objective = Objective(levels, sources.signal(options.against) if options.against else None, sources.truth())
    problem = SearchProblem(
        algorithm=algorithm,
        domain=domain,
        objective=objective,
        proxy=_together(options, proxy_names, proxies, domain) if guided else None,
        budget=SearchBudget(options.queries, options.seconds, options.epochs, options.count_repeats),
        config=SearcherConfig(options.pool, options.tournament, options.surrogate, options.encoding, options.eta),
        warmup=options.warmup,
        move=options.move,
        live=sources.live,
        facts={
            **sources.facts(domain),
            "signal_is_target": sources.is_truth(options.signal),
            "timed": all(one.timed for one in [*levels, *proxies]),
            "direction": levels[-1].direction,
        },
        data=sources.data(),
    )
    _check(options, problem)
    return problem


def _named_signals(options: SearchConfig, algorithm: Algorithm, sources: _Sources) -> tuple[list[Signal], list[Signal]]:
    """Resolve the signals and the proxies, and refuse what the algorithm cannot use."""
    signals = [sources.signal(name) for name in options.signal]
    proxies = [sources.signal(name) for name in options.proxy or options.signal]
    if algorithm.levels and (
        len(options.signal) > 1
        or options.signal[0] not in sources.columns
        or len(levels_of(options.signal[0], sources.columns)) == 1
    ):
        raise InputError(
            f"{algorithm.name} must have a --signal that the table holds after fewer epochs too, such as validation_12 "
            f"beside validation_200; the table has: {', '.join(sources.columns) or 'no columns'}"
        )
    if algorithm.costs != bool(options.against):
        what = "must be given --against, such as params," if algorithm.costs else "has one objective, and no --against:"
        raise InputError(f"{algorithm.name} {what} got {options.against!r}; nsga2 has two objectives")
    if options.move and not algorithm.moves:
        raise InputError(
            f"{algorithm.name} has no step that --move could guide; give --warmup alone, or one of "
            f"{', '.join(name for name in ALGORITHMS if ALGORITHMS[name].moves)}"
        )
    return signals, proxies


def _together(options: SearchConfig, names: Sequence[str], signals: Sequence[Signal], domain: Domain) -> Signal:
    """Return the only signal, or the combination of several."""
    if len(names) == 1:
        return signals[0]
    listed = all(isinstance(one, TabularSignal) for one in signals) and domain.size is not None
    if listed:
        reference = [one for one in signals[0].values if one in domain] if isinstance(signals[0], TabularSignal) else []
    else:
        rng = python_rng(options.seed, "search", "reference")
        reference = [domain.sample(rng) for _ in range(_REFERENCE)]
    return Combined(signals, list(dict.fromkeys(reference)), options.combine, options.weights or None)


def _check(options: SearchConfig, problem: SearchProblem) -> None:
    full = problem.objective.levels[-1]
    if options.epochs is not None and not full.epochs:
        raise InputError(f"--epochs must have a signal that is trained, and {full.name} has no epochs")
    if options.seconds is not None and not all(one.timed for one in problem.objective.levels):
        raise InputError(f"--seconds must have a signal whose seconds are known, and those of {full.name} are not")
    if problem.domain.size == 0:
        raise InputError("no architecture has both an accuracy and a score; do the files belong together?")


class _Sources:
    """Everything that can be named: columns of the table, score files, measures and programs."""

    def __init__(
        self,
        options: SearchConfig,
        resolve: Callable[[str], Proxy],
        executor: Executor,
        record: Callable[[str, str, Observation], None],
        restore: Callable[[str, ComputedSignal], None],
    ) -> None:
        self._options = options
        self._resolve = resolve
        self._executor = executor
        self._record = record
        self._restore = restore
        benchmark = options.space in BENCHMARKS
        self.space = SPACES[BENCHMARKS[options.space].space if benchmark else options.space]
        self.table = _table(options, self.space)
        self._usual = options.target or "accuracy"
        self.columns = table_signals(self.table, self._usual) if self.table is not None else {}
        self.files: dict[str, TabularSignal] = {}
        for given in options.scores:
            name, _, path = given.rpartition("=")
            found = read_scores(Path(path), self.space, name)
            for one in found:
                if one in self.files or one in self.columns:
                    raise InputError(f"{given}: {one!r} is the name of another signal already; give NAME=FILE")
            self.files |= found
        self.live: dict[str, ComputedSignal] = {}
        self._condition: Condition | None = None
        self._used: list[TabularSignal] = []
        self._programs: dict[str, str] = {}

    def signal(self, name: str) -> Signal:
        """Return the signal of a name."""
        if name in self.columns:
            return self.columns[name]
        if name in self.files:
            self._used.append(self.files[name])
            return self.files[name]
        if name not in self.live:
            self.live[name] = self._run(name)
            self._restore(name, self.live[name])
        return self.live[name]

    def architectures(self) -> list[str] | None:
        """Return those that the table and every score file in use know; None where there are neither."""
        known = [self.table.architectures] if self.table is not None else []
        parts = [*known, *(tuple(one.values) for one in self._used)]
        if not parts:
            return None
        common = set(parts[0]).intersection(*parts[1:])
        return [one for one in parts[0] if one in common]

    def truth(self) -> Mapping[str, float]:
        """Return the accuracies that are reported."""
        return self.columns[self._usual].values if self.table is not None else {}

    def is_truth(self, names: Sequence[str]) -> bool:
        """Whether the only signal is what is reported."""
        return len(names) == 1 and names[0] in self.columns and self.columns[names[0]].values == self.truth()

    def data(self) -> dict[str, Any]:
        """Return what the signals in use were made from: digests of files and images, programs, the device."""
        condition = self._condition
        return {
            "table": self.table.source if self.table is not None else None,
            "table_sha256": self.table.digest if self.table is not None else None,
            "scores": {given: _digest(given) for given in self._options.scores},
            "programs": self._programs,
            "plugins": plugin_digests(),
            "images": condition.minibatch.digest if condition is not None else None,
            "device": condition.device if condition is not None else None,
        }

    def facts(self, domain: Domain) -> dict[str, Any]:
        """Return what reports say."""
        truth = self.truth()
        return {
            "label": self._options.label(),
            "space": self.space.name,
            "architectures": domain.size,
            "target": str(self.table.target) if self.table is not None else None,
            "table": self.table.source if self.table is not None else None,
            "table_sha256": self.table.digest if self.table is not None else None,
            "best_of_the_space": max(truth.values()) if truth else None,
            "condition": str(self._condition) if self._condition is not None else None,
        }

    def _run(self, name: str) -> ComputedSignal:
        from eznas.measures import MEASURES

        try:
            proxy = self._resolve(name)
        except InputError as error:
            if "(" in name or "." in name:
                raise
            known = [*self.columns, *self.files, *MEASURES]
            raise unknown("signal", name, known) from error
        self._programs[name] = proxy.program or proxy.measure
        return ComputedSignal(
            proxy,
            self._conditions(),
            direction=MEASURES[name].direction if name in MEASURES else 1,
            executor=self._executor,
            record=partial(self._record, name),  # not the proxy's name, which several files may have
        )

    def _conditions(self) -> Condition:
        if self._condition is None:
            options = self._options
            self._condition = Problem.of(
                self.space,
                self.table,
                images=options.images,
                batch_size=options.batch_size,
                seed=options.seed,
                device=options.device,
                fidelity=trained_fidelity(options.space),
            ).condition()
        return self._condition


def _digest(given: str) -> str:
    return hashlib.sha256(Path(given.rpartition("=")[2]).read_bytes()).hexdigest()


def _table(options: SearchConfig, space: SearchSpace) -> AccuracyTable | None:
    """Load the table; None where none is asked for, or the space has none."""
    if options.table == _NO_TABLE or (not options.table and options.space not in BENCHMARKS):
        if options.target:
            raise InputError(f"--target {options.target} is a column of a table, and there is none; give --table")
        return None
    path = Path(os.fspath(options.table)) if options.table else None
    target = options.target or None
    if path is not None and options.space not in BENCHMARKS:
        return read_table(path, benchmark=options.space, space=space, dataset=options.dataset, target=target)
    return load_table(options.space, options.dataset, path, target)
