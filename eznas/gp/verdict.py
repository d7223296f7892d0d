"""The verdict on the best program: better or worse than the baselines on each task, or undecided."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from eznas.ranking import PairedDifference, paired_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"

SIZES = ("params", "flops")
_MONOTONE = 0.98
"""From this magnitude of Spearman's rho a program is called monotone in a size."""


@dataclass(frozen=True)
class TaskScores:
    """The scores of the best program and the baselines on the test architectures of a task.

    Args:
        name: The task.
        accuracies: ``n`` accuracies.
        scores: For the best program and each baseline ``n`` scores, NaN where there is none.
        held_out: Whether selection never saw the task.
        sizes: ``n`` params or flops, where these are no baselines.
    """

    name: str
    accuracies: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    held_out: bool = False
    sizes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def verdict(
    tasks: Sequence[TaskScores], best: str = "best", *, seed: int = 0, rivals: str = "every baseline"
) -> dict[str, Any]:
    """Compare the best program with the baselines on every task.

    On each task, the program is compared with each baseline on the architectures on which both have a score. It is
    *worse* if the 95 % interval of the paired difference in tau lies below 0 for a baseline. It is *better* if the
    interval lies above 0 for every baseline. Otherwise it is *undecided*. A task without an interval is undecided too.
    The record of a task names the baseline with the least difference. Baselines that the program is worse than come
    first, then baselines whose interval includes 0, then all others. If all have a score on every architecture, this is
    nearly always the baseline with the highest tau.

    Args:
        tasks: The scores on each task.
        best: Name of the program among the scores; all others are baselines.
        seed: Seed of the bootstrap.
        rivals: How a sentence names all baselines together.

    Returns:
        An object for JSON: ``sentence``; ``notes``, further sentences; the counts ``better``, ``worse`` and
        ``undecided``; ``held_out``, the same sentence and counts for the tasks held out, or None; and ``tasks``, a
        record for each task.
    """
    records = [_task(task, best, seed) for task in tasks]
    held_out = [record for record in records if record["held_out"]]
    return {
        "sentence": _sentence(records, rivals),
        "notes": _notes(records),
        **_counts(records),
        "held_out": {"sentence": _sentence(held_out, rivals), **_counts(held_out)} if held_out else None,
        "tasks": records,
    }


def _task(task: TaskScores, best: str, seed: int) -> dict[str, Any]:
    program = task.scores[best]
    found: dict[str, PairedDifference] = {}
    left_out: dict[str, str] = {}
    for name, scores in task.scores.items():
        if name == best:
            continue
        both = np.isfinite(program) & np.isfinite(scores) & np.isfinite(task.accuracies)
        difference = paired_difference(program[both], scores[both], task.accuracies[both], seed=seed)
        reason = _no_difference(difference, program[both], task.accuracies[both])
        if reason:
            left_out[name] = reason
        else:
            found[name] = difference
    record: dict[str, Any] = {
        "name": task.name,
        "held_out": task.held_out,
        "verdict": UNDECIDED,
        "reason": None,
        **dict.fromkeys(("baseline", "tau", "tau_baseline", "difference", "low", "high", "n")),
        "networks": len(task.accuracies),
        "not_compared": left_out,
        "monotone": _monotone(program, {**task.sizes, **task.scores}),
    }
    if not found:
        return {**record, "reason": next(iter(left_out.values()), "there is no baseline")}
    above = [name for name, difference in found.items() if difference.high < 0]
    level = [name for name, difference in found.items() if difference.low <= 0 <= difference.high]
    rival = min(above or level or found, key=lambda name: found[name].difference)
    difference = found[rival]
    return {
        **record,
        "verdict": WORSE if above else UNDECIDED if level else BETTER,
        "reason": "the interval of the difference includes 0" if level and not above else None,
        "baseline": rival,
        "tau": difference.first,
        "tau_baseline": difference.second,
        "difference": difference.difference,
        "low": difference.low,
        "high": difference.high,
        "n": difference.n,
    }


def _no_difference(
    found: PairedDifference, program: NDArray[np.float64], accuracies: NDArray[np.float64]
) -> str | None:
    """Return the reason why a difference has no interval, or None."""
    if not math.isnan(found.low):
        return None
    if not math.isnan(found.difference) or found.n < 2:  # noqa: PLR2004 - a pair
        return f"only {found.n} networks have both scores"
    if not np.ptp(accuracies):
        return "all accuracies are equal"
    return "the program is constant" if not np.ptp(program) else "the baseline is constant"


def _monotone(program: NDArray[np.float64], scores: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return Spearman's rho of the program with each size that it orders the networks by."""
    found = {}
    for name in SIZES:
        if name not in scores:
            continue
        both = np.isfinite(program) & np.isfinite(scores[name])
        ranks = rankdata(program[both]), rankdata(scores[name][both])
        if both.sum() > 2 and np.ptp(ranks[0]) and np.ptp(ranks[1]):  # noqa: PLR2004 - two networks are always in order
            rho = float(np.corrcoef(*ranks)[0, 1])
            if abs(rho) >= _MONOTONE:
                found[name] = rho
    return found


def _counts(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts = Counter(record["verdict"] for record in records)
    return {decision: counts[decision] for decision in (BETTER, WORSE, UNDECIDED)}


def _sentence(records: Sequence[Mapping[str, Any]], rivals: str) -> str:
    if not records:
        return "not compared with baselines: there is no task"
    if len(records) == 1:
        return _of_one_task(records[0], rivals)
    counts, total = _counts(records), len(records)
    words = {BETTER: f"better than {rivals} on", WORSE: "worse than a baseline on", UNDECIDED: "undecided on"}
    parts: list[str] = []
    for decision, count in counts.items():
        if count == total:
            return f"{words[decision]} all {total} tasks"
        if count:
            parts.append(f"{words[decision]} {count}" + ("" if parts else f" of {total} tasks"))
    return ", ".join(parts)


def _of_one_task(record: Mapping[str, Any], rivals: str) -> str:
    if record["baseline"] is None:
        return f"not compared with baselines: {record['reason']}"
    return {
        BETTER: f"better than {rivals}",
        WORSE: f"worse than {record['baseline']}",
        UNDECIDED: f"not clearly better or worse than {record['baseline']}",
    }[record["verdict"]]


def _notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    notes = []
    for size, sign in itertools.product(SIZES, (1, -1)):
        rhos = {record["name"]: record["monotone"].get(size, 0.0) for record in records}
        rhos = {name: rho for name, rho in rhos.items() if rho * sign > 0}
        if rhos:
            where = "every task" if 1 < len(rhos) == len(records) else ", ".join(rhos)
            weakest = (
                f"{'' if len(rhos) == 1 else 'at least ' if sign > 0 else 'at most '}{min(rhos.values(), key=abs):.3f}"
            )
            order = f"{'' if sign > 0 else 'reversed '}{size}"
            notes.append(
                f"The best program orders the networks by their {order} on {where} (Spearman's rho {weakest}): "
                f"it says little more than {size}."
            )
    notes += [
        f"{record['name']} is undecided: {record['reason']}."
        for record in records
        if record["baseline"] is None and len(records) > 1
    ]
    compared = [record for record in records if record["baseline"] is not None]
    reasons: dict[tuple[str, str], list[str]] = {}
    for record in compared:
        for name, reason in record["not_compared"].items():
            reasons.setdefault((name, reason), []).append(record["name"])
    return notes + [
        f"{name} is not compared on {'any task' if 1 < len(tasks) == len(records) else ', '.join(tasks)}: {reason}."
        for (name, reason), tasks in reasons.items()
    ]
