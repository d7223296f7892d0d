"""From options to the objects that all runs of a search share: domain, objective, guiding proxy and budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.benchmarks import BENCHMARKS, load_table, read_table
from eznas.benchmarks.reference import trained_fidelity
from eznas.errors import InputError
from eznas.scoring import SERIAL, Executor, Problem
from eznas.scoring.plugin import load_plugins
from eznas.search.combine import CombinedSignal, check_combination
from eznas.search.domain import Domain
from eznas.search.loop import Objective, SearchBudget
from eznas.search.model_options import check_candidates, check_model_options, predictor_of, with_scores
from eznas.search.protocol import ALGORITHMS, Algorithm
from eznas.search.signals import TabularSignal
from eznas.search.sources import SignalSources
from eznas.search.table_signals import levels_of
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.benchmarks import AccuracyTable
    from eznas.predictors import Predictor
    from eznas.search.config import SearchConfig
    from eznas.search.score_journal import ScoreJournal
    from eznas.search.signals import Signal
    from eznas.spaces import SearchSpace


_NO_TABLE = "none"
_REFERENCE = 100
"""Size of the random reference set of combined signals that are not listed in files."""


@dataclass(frozen=True)
class SearchProblem:
    """The objects that all runs of a search share.

    Args:
        config: The options.
        algorithm: The algorithm.
        domain: The architectures that may be proposed.
        objective: The signals to maximise, and the accuracies to report.
        proxy: The signal that guides; None for no guidance.
        predictor: Makes the predictor of the algorithm's model; None for its surrogate.
        budget: When a run ends.
        runs_networks: Whether some signal is computed on networks.
        facts: The facts that reports state.
        data: Everything that the runs depend on beside the options, such as digests of files.
    """

    config: SearchConfig
    algorithm: Algorithm
    domain: Domain
    objective: Objective
    proxy: Signal | None
    predictor: Callable[[], Predictor] | None
    budget: SearchBudget
    runs_networks: bool
    facts: Mapping[str, Any]
    data: Mapping[str, Any]


def make_problem(
    config: SearchConfig, *, executor: Executor = SERIAL, journal: ScoreJournal | None = None
) -> SearchProblem:
    """Resolve every name and check that the options fit together.

    Args:
        config: The options.
        executor: Runs the networks.
        journal: Keeps the scores of networks; None to keep none.

    Raises:
        InputError: A name is unknown, a file is faulty, or options contradict each other.
    """
    load_plugins(config.plugin)
    algorithm = ALGORITHMS[config.algorithm]
    check_model_options(config, algorithm)
    if not config.signal:
        raise InputError("signal must name at least one signal, got none", parameters=("signal",))
    _check_combinations(config)
    base = _base(config)
    sources = SignalSources(config, base, executor, journal)
    signals = [sources.signal(name) for name in config.signal]
    guides = [sources.signal(name) for name in config.proxy or config.signal] if config.guided else []
    levels: list[Signal] = []
    if algorithm.levels and config.signal[0] in sources.columns:
        levels += levels_of(config.signal[0], sources.columns)
    _check_algorithm(config, algorithm, levels, sources.revealing())
    scores = sources.scores()
    predictor = predictor_of(config, base.space, scores)
    reads_scores = predictor is not None and predictor().needs.scores
    if reads_scores:
        sources.use_scores()
    listed = sources.architectures()
    domain = Domain(base.space, with_scores(listed, scores) if reads_scores and listed is not None else listed)
    check_candidates(config, domain)
    if domain.size == 0:
        raise InputError("no architecture has both an accuracy and a score; check that the files belong together")
    against = sources.signal(config.against) if config.against else None
    charged = [("a signal", signal) for signal in levels or signals] + [("a proxy", guide) for guide in guides]
    column = sources.columns.get(config.against)
    if against is not None and (column is None or column.epochs or column.seconds):  # else a property, such as params
        charged.append(("a second objective", against))
    _check_budget(config, signals, charged)
    levels = levels or [_combined(config, signals, domain)]
    truth = sources.truth()
    data = sources.data()
    return SearchProblem(
        config=config,
        algorithm=algorithm,
        domain=domain,
        objective=Objective(levels, against, truth),
        proxy=_combined(config, guides, domain) if guides else None,
        predictor=predictor,
        budget=SearchBudget(config.queries, config.seconds, config.epochs, config.count_repeats),
        runs_networks=bool(sources.computed),
        facts={
            "label": config.label(),
            "space": base.space.name,
            "architectures": domain.size,
            "target": str(base.table.target) if base.table is not None else None,
            "table": data["table"],
            "table_sha256": data["table_sha256"],
            "best_of_the_space": max(truth.values()) if truth else None,
            "condition": str(base.condition()) if sources.computed else None,
            "signal_is_target": sources.is_truth(),
            "timed": all(signal.timed for _, signal in charged),
            "direction": levels[-1].direction,
        },
        data=data,
    )


def _base(config: SearchConfig) -> Problem:
    """Assemble space, table and condition."""
    space = SPACES[BENCHMARKS[config.benchmark].space if config.benchmark in BENCHMARKS else config.benchmark]
    return Problem.of(
        space,
        _table(config, space),
        images=config.images,
        batch_size=config.batch_size,
        seed=config.seed,
        device=config.device,
        fidelity=trained_fidelity(config.benchmark),
    )


def _table(config: SearchConfig, space: SearchSpace) -> AccuracyTable | None:
    """Load the table; None if there is to be none, or the space has none."""
    benchmark, target = config.benchmark in BENCHMARKS, config.target or None
    if config.table == _NO_TABLE or not (config.table or benchmark):
        if target:
            message = f"target must be a column of a table, got {target!r} and no table; give table"
            raise InputError(message, parameters=("target", "table"))
        return None
    path = Path(config.table) if config.table else None
    if path is not None and not benchmark:
        return read_table(path, benchmark=config.benchmark, space=space, dataset=config.dataset, target=target)
    return load_table(config.benchmark, config.dataset, path, target)


def _check_combinations(config: SearchConfig) -> None:
    """Check the rule and the weights before a network runs."""
    for names in (config.signal, config.proxy):
        if len(names) > 1:
            check_combination(len(names), config.combine, config.weights)


def _check_algorithm(
    config: SearchConfig, algorithm: Algorithm, levels: Sequence[Signal], revealing: Sequence[str]
) -> None:
    """Refuse options that the algorithm cannot use.

    Args:
        config: The options.
        algorithm: The algorithm.
        levels: The signals of an algorithm with several levels of training.
        revealing: See ``SignalSources.revealing``.
    """
    if algorithm.levels and (len(config.signal) > 1 or len(levels) < 2):  # noqa: PLR2004 - some level before the last
        message = (
            f"signal must be a column that the table also holds after fewer epochs for {algorithm.name}, such as "
            f"validation_200 beside validation_12; got {', '.join(config.signal)}"
        )
        raise InputError(message, parameters=("signal",))
    if algorithm.costs and not config.against:
        message = f"against must name a second objective for {algorithm.name}, such as params; got none"
        raise InputError(message, parameters=("against",))
    if config.against and not algorithm.costs:
        message = f"against must come with nsga2, got {config.against!r} with {algorithm.name}, which has one objective"
        raise InputError(message, parameters=("against",))
    if config.move and not algorithm.moves:
        guided = ", ".join(name for name in ALGORITHMS if ALGORITHMS[name].moves)
        message = f"move must come with one of {guided}; {algorithm.name} has no moves, give warmup alone"
        raise InputError(message, parameters=("move", "warmup"))
    if config.guided and revealing:
        message = (
            "proxy must name a guide for warmup and move that is neither the target nor an accuracy that is the "
            f"signal, because scores of the guide do not count as queries; got {', '.join(revealing)}"
        )
        raise InputError(message, parameters=("proxy", "warmup", "move"))


def _check_budget(config: SearchConfig, signals: Sequence[Signal], charged: Sequence[tuple[str, Signal]]) -> None:
    """Refuse a budget of what is unknown.

    Args:
        config: The options.
        signals: The signals that are maximised.
        charged: Every signal that costs seconds, after its role.
    """
    if config.epochs is not None and not any(signal.epochs for signal in signals):
        names = " and ".join(signal.name for signal in signals)
        message = f"epochs must come with a signal that is trained, got {names} without known epochs; give queries"
        raise InputError(message, parameters=("epochs", "queries"))
    role, untimed = next(((role, signal) for role, signal in charged if not signal.timed), ("", None))
    if config.seconds is None or untimed is None:
        return
    fault, remedy = f"those of {untimed.name} are not", "add a column NAME_seconds to its file, or give queries"
    if isinstance(untimed, TabularSignal) and untimed.untimed < len(untimed.values):
        fault = f"{untimed.untimed} of {len(untimed.values)} architectures have none for {untimed.name}"
        remedy = "add them, or leave these architectures out of the file, or give queries"
    message = f"seconds must come with {role} whose seconds are known; {fault}; {remedy}"
    raise InputError(message, parameters=("seconds", "queries"))


def _combined(config: SearchConfig, signals: Sequence[Signal], domain: Domain) -> Signal:
    """Return the only signal, or several as one, compared with all listed architectures or with a random sample."""
    first, *others = signals
    if not others:
        return first
    if (
        domain.size is not None
        and isinstance(first, TabularSignal)
        and all(isinstance(one, TabularSignal) for one in others)
    ):
        reference = [architecture for architecture in first.values if architecture in domain]
    else:
        rng = python_rng(config.seed, "search", "reference")
        reference = [domain.sample(rng) for _ in range(_REFERENCE)]
    return CombinedSignal(signals, list(dict.fromkeys(reference)), config.combine, config.weights or None)
