"""Many runs of one search that differ by chance alone, kept in a run directory and resumed from it.

A run is the unit of resuming: a finished one is in the journal, and one that was interrupted is done again with the
same seed. Networks that were scored are in the journal too, so that doing it again takes no time.
"""

from __future__ import annotations

import json
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
from eznas.search.protocol import Task
from eznas.seeds import python_rng
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from eznas.run import RunDirectory
    from eznas.scoring import Proxy
    from eznas.search.config import SearchConfig
    from eznas.search.problem import SearchProblem
    from eznas.search.signals import ComputedSignal, Observation

__all__ = ["one_run", "run_repeats", "summarise"]


def run_repeats(
    options: SearchConfig,
    directory: RunDirectory,
    resolve: Callable[[str], Proxy],
    *,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
    beside: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Do all runs that the journal does not hold yet, and write ``results.json``.

    Args:
        options: What is asked for.
        directory: Where everything goes.
        resolve: Reads a measure's name, a program, or a file.
        executor: Runs the searches where all scores are known, the networks where they have to be computed.
        progress: Advances after each run, also those that the journal holds.
        beside: The facts of searches that this one is compared with, by what messages call them.

    Returns:
        What ``results.json`` holds: ``facts``, ``summary`` and ``runs``.

    Raises:
        InputError: See ``make_problem``; or the directory's runs were made from other data; or a search that it is
            compared with is of something else.
    """
    journal = directory.journal()
    restore = partial(_remember, [entry for entry in journal if entry["event"] == "score"])
    problem = make_problem(options, resolve, executor=executor, record=_Kept(directory, progress), restore=restore)
    for name, facts in beside.items():
        _check_alike(name, facts, problem.facts)
    _check_data(directory, problem.data)
    directory.record(data=dict(problem.data))
    directory.write_config(options.as_toml())  # with the number of runs that was asked for last
    done: dict[int, dict[str, Any]] = {entry["run"]: entry["result"] for entry in journal if entry["event"] == "run"}
    missing = [run for run in range(options.runs) if run not in done]
    for _ in range(options.runs - len(missing)):
        progress.advance()
    for run, result in _results(problem, options.seed, missing, executor):
        directory.append({"event": "run", "run": run, "result": result})
        done[run] = result
        progress.advance()
    runs = [{"run": run, **done[run]} for run in range(options.runs)]
    results = {"facts": dict(problem.facts), "summary": summarise(runs, problem.facts), "runs": runs}
    directory.write_text("results.json", json.dumps(results) + "\n")
    return results


def one_run(problem: SearchProblem, seed: int, run: int) -> dict[str, Any]:
    """Do one run and return its record; the same arguments give the same record, measured seconds aside."""
    guide = Guide(
        problem.domain,
        python_rng(seed, "search", run, "guide"),
        problem.proxy,
        problem.warmup,
        problem.move,
    )
    task = Task(
        problem.domain,
        python_rng(seed, "search", run, "algorithm"),
        guide,
        len(problem.objective.levels),
        problem.config,
    )
    searcher = problem.algorithm.searcher(task)
    return search(searcher, problem.objective, problem.budget, guide, problem.domain.size).record()


def summarise(runs: Sequence[dict[str, Any]], facts: Any) -> dict[str, Any]:
    """Return mean and deviation over runs of what was found, and what it cost.

    The deviation is that of the runs themselves (divided by their number), as published tables have it.
    """
    accuracies = [run["accuracy"] for run in runs if run["accuracy"] is not None]
    values = [run["best_value"] for run in runs if run["best_value"] is not None]
    mean = float(np.mean(accuracies)) if accuracies else None
    best = facts["best_of_the_space"]
    return {
        "runs": len(runs),
        "runs_without_a_result": len(runs) - len(values),
        "accuracy_mean": mean,
        "accuracy_std": float(np.std(accuracies)) if accuracies else None,
        "regret_mean": best - mean if mean is not None and best is not None else None,
        "value_mean": float(np.mean(values)) if values else None,
        "queries_mean": _mean(runs, "queries"),
        "epochs_mean": _mean(runs, "epochs"),
        "seconds_mean": _mean(runs, "seconds") if facts["timed"] else None,
        "scored_mean": _mean(runs, "scored"),
    }


def _remember(entries: Sequence[Mapping[str, Any]], name: str, live: ComputedSignal) -> None:
    """Give a signal the scores that the journal holds of it."""
    for entry in entries:
        if entry["signal"] == name:
            score = Score(_number(entry["value"]), Status(entry["status"]), entry["detail"])
            live.remember(entry["architecture"], score, entry["seconds"])


def _check_alike(name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse to compare what was found in another space, or by another accuracy."""
    for fact in ("space", "target", "table_sha256"):
        if theirs.get(fact) != ours[fact]:
            raise InputError(
                f"{name} must be a search of the same space, table and target to be compared with; "
                f"its {fact} is {theirs.get(fact)}, here it is {ours[fact]}"
            )


def _check_data(directory: RunDirectory, data: Mapping[str, Any]) -> None:
    """Refuse to go on with runs that were made from other data; a table may have moved."""
    before = directory.manifest()["data"]
    for name in data:
        if name != "table" and name in before and before[name] != data[name]:
            raise InputError(
                f"{directory.path} must be gone on with from the same {name}: it was begun with {before[name]}, "
                f"now there is {data[name]}; begin a new search"
            )


def _mean(runs: Sequence[dict[str, Any]], name: str) -> float | None:
    return float(np.mean([run[name] for run in runs])) if runs else None


def _results(
    problem: SearchProblem, seed: int, runs: Sequence[int], executor: Executor
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield runs with their results, over several processes where nothing has to be computed on networks."""
    if problem.live or len(runs) < 2:  # noqa: PLR2004 - one run has nothing beside it
        yield from ((run, one_run(problem, seed, run)) for run in runs)
        return
    yield from executor.map(partial(one_run, problem, seed), runs)


class _Kept:
    """Puts every score that is computed into the journal, and says how many there are."""

    def __init__(self, directory: RunDirectory, progress: Progress) -> None:
        self._directory = directory
        self._progress = progress
        self._count = 0

    def __call__(self, signal: str, architecture: str, observation: Observation) -> None:
        score = observation.score
        self._count += 1
        self._progress.status(f"{self._count} networks scored, the last by {signal}")
        self._directory.append(
            {
                "event": "score",
                "signal": signal,
                "architecture": architecture,
                "value": score.value if score.ok else None,
                "status": score.status.value,
                "detail": score.detail,
                "seconds": observation.seconds,
            }
        )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
