"""Repeated runs of one search, which differ in their random draws only, in a run directory that can be resumed.

A finished run is in the journal. An interrupted run is repeated with the same seed; the networks that it scored are in
the journal too, so that repeating it takes little time.
"""

from __future__ import annotations

import json
import time
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.progress import SILENT, Progress
from eznas.scoring import SERIAL, Executor
from eznas.search.guide import Guide
from eznas.search.loop import search
from eznas.search.problem import make_problem
from eznas.search.protocol import SearchContext
from eznas.search.score_journal import ScoreJournal
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eznas.run import RunDirectory
    from eznas.search.config import SearchConfig
    from eznas.search.problem import SearchProblem

    Record = dict[str, Any]


_TOP = 5
"""Number of best architectures in the results."""


def run_repeats(
    config: SearchConfig,
    directory: RunDirectory,
    *,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
    callback: Callable[[Record], object] = lambda _record: None,
    compare: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Record:
    """Do all runs that the journal does not hold, and write ``results.json``.

    Args:
        config: The options.
        directory: The run directory.
        executor: Runs the searches if all scores are known, else the networks.
        progress: Is told of one stage, all runs; see ``_Bar``.
        callback: Is called with the record of each run as it ends; the journal's runs come first.
        compare: The facts of searches to compare with, by their names in messages.

    Returns:
        The content of ``results.json``: ``facts``, ``summary``, ``best`` and ``runs``.

    Raises:
        InputError: See ``make_problem``; or the directory's runs rest on other data; or networks run, and the directory
            began with another version of torch or the numerics; or a search to compare with is of another space, table
            or target.
    """
    bar = _Bar(progress)
    problem = make_problem(config, executor=executor, journal=ScoreJournal(directory, bar.score))
    for name, facts in compare.items():
        _check_comparable(name, facts, problem.facts)
    _check_data(directory, problem.data)
    directory.record(data=dict(problem.data))
    directory.write_config(config.as_toml())  # with the latest number of runs
    records: dict[int, Record] = {
        entry["run"]: entry["result"] for entry in directory.journal() if entry["event"] == "run"
    }
    missing = [run for run in range(config.runs) if run not in records]
    bar.start(problem, config.runs - len(missing))
    for run in sorted(set(range(config.runs)) - set(missing)):
        callback({"run": run, **records[run]})
    for run, record in _results(problem, missing, executor, bar.query):
        directory.append({"event": "run", "run": run, "result": record})
        records[run] = record
        bar.end_run()
        callback({"run": run, **record})
    runs = [{"run": run, **records[run]} for run in range(config.runs)]
    results = {
        "facts": dict(problem.facts),
        "summary": summarise(runs, problem.facts),
        "best": best_architectures(runs, problem.objective.truth, problem.facts["direction"]),
        "runs": runs,
    }
    directory.write_text("results.json", json.dumps(results) + "\n")
    return results


def run_once(problem: SearchProblem, run: int, advance: Callable[[], None] = lambda: None) -> Record:
    """Do one run and return its record; the same arguments give the same record, measured seconds aside."""
    config, domain, objective = problem.config, problem.domain, problem.objective
    guide = Guide(domain, python_rng(config.seed, "search", run, "guide"), problem.proxy, config.warmup, config.move)
    rng = python_rng(config.seed, "search", run, "algorithm")
    context = SearchContext(domain, rng, guide, len(objective.levels), config, problem.predictor)
    searcher = problem.algorithm.searcher(context)
    return search(searcher, objective, problem.budget, guide, domain.size, advance).record()


def summarise(runs: Sequence[Record], facts: Mapping[str, Any]) -> Record:
    """Return means over runs of results and costs, and the standard deviation of the accuracy.

    The deviation is divided by the number of runs, as in published tables.
    """
    accuracies = [run["accuracy"] for run in runs if run["accuracy"] is not None]
    values = [run["best_value"] for run in runs if run["best_value"] is not None]
    accuracy, best = _mean(accuracies), facts["best_of_the_space"]
    return {
        "runs": len(runs),
        "runs_without_a_result": len(runs) - len(values),
        "accuracy_mean": accuracy,
        "accuracy_std": float(np.std(accuracies)) if accuracies else None,
        "regret_mean": None if accuracy is None or best is None else max(best - accuracy, 0.0),  # not a rounding error
        "value_mean": _mean(values),
        "queries_mean": _mean([run["queries"] for run in runs]),
        "epochs_mean": _mean([run["epochs"] for run in runs]),
        "seconds_mean": _mean([run["seconds"] for run in runs]) if facts["timed"] else None,
        "scored_mean": _mean([run["scored"] for run in runs]),
        "model_seconds_mean": _mean([run.get("model_seconds", 0.0) for run in runs]),  # older journals have none
    }


def best_architectures(runs: Sequence[Record], truth: Mapping[str, float], direction: int) -> list[Record]:
    """Return the best architectures of all runs, at their longest training, and how many runs queried each."""
    best: dict[str, Record] = {}
    for run in runs:
        names = ("architecture", "level", "value", "cost")
        for architecture, level, value, cost in zip(*(run["steps"][name] for name in names), strict=True):
            if value is not None:
                entry = best.setdefault(architecture, {"level": -1, "runs": set()})
                entry["runs"].add(run["run"])
                if level > entry["level"]:
                    entry |= {"level": level, "value": value, "cost": cost}
    ranked = sorted(best, key=lambda one: (-best[one]["level"], -direction * best[one]["value"], one))
    return [
        {"architecture": one, "accuracy": truth.get(one), **best[one], "runs": len(best[one]["runs"])}
        for one in ranked[:_TOP]
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _check_comparable(name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse to compare results in another space, or by another accuracy."""
    for fact in ("space", "target", "table_sha256"):
        if theirs.get(fact) != ours[fact]:
            raise InputError(
                f"{name} must be a search of the same space, table and target to be compared with; "
                f"its {fact} is {theirs.get(fact)}, this search's is {ours[fact]}"
            )


def _check_data(directory: RunDirectory, data: Mapping[str, Any]) -> None:
    """Refuse to resume runs that rest on other data; a table may have moved."""
    before = directory.manifest()["data"]
    for name in data:
        if name != "table" and name in before and before[name] != data[name]:
            raise InputError(
                f"{directory.path} must be resumed with the same {name}: it was started with {before[name]}, "
                f"now there is {data[name]}; start a new search"
            )


def _results(
    problem: SearchProblem, runs: Sequence[int], executor: Executor, advance: Callable[[], None]
) -> Iterator[tuple[int, Record]]:
    """Yield runs with their records: several at a time if no network is run."""
    if problem.runs_networks or len(runs) < 2:  # noqa: PLR2004 - a single run needs no processes
        yield from ((run, run_once(problem, run, advance)) for run in runs)
    else:
        yield from executor.map(partial(run_once, problem), runs)


class _Bar:
    """Progress of all runs as one stage, so that it shows the time left.

    A run has one step. If networks are run, which takes time, it also has a step per network of the warm-up and per
    query. Steps that a run does not need are completed when it ends.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._queries = self._steps = self._left = self._total = self._done = 0
        self._begun = time.monotonic()

    def start(self, problem: SearchProblem, finished: int) -> None:
        """Begin the stage, with the finished runs of a resumed search completed."""
        config = problem.config
        warmup = config.warmup if problem.runs_networks else 0
        self._queries = config.queries or 0 if problem.runs_networks else 0
        self._steps = self._left = warmup + self._queries + 1
        self._progress.stage("search" if self._steps > 1 else "runs", config.runs * self._steps)
        for _ in range(finished * self._steps):
            self._progress.advance()
        self._total, self._begun = (config.runs - finished) * self._steps, time.monotonic()

    def score(self) -> None:
        """Count a network of the warm-up."""
        self._reach(max(self._left - 1, self._queries + 1))

    def query(self) -> None:
        """Count a query."""
        self._reach(max(min(self._left - 1, self._queries), 1))

    def end_run(self) -> None:
        """Complete the run."""
        self._reach(0)
        self._left = self._steps

    def _reach(self, left: int) -> None:
        for _ in range(self._left - left):
            self._progress.advance()
            self._done += 1
        self._left = min(self._left, left)
        if self._done:
            self._progress.remaining((time.monotonic() - self._begun) * (self._total / self._done - 1))
