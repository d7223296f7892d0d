"""The files of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.gp.confirmation import CANDIDATES
from eznas.gp.results import HALL_COLUMNS
from eznas.run import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.gp.time_plan import Clock
    from eznas.run import RunDirectory
    from eznas.symbolic.config import ScoresConfig
    from eznas.symbolic.evolution import Evolution
    from eznas.symbolic.report import ScoresReport


def write_results(
    config: ScoresConfig,
    directory: RunDirectory,
    report: ScoresReport,
    baselines: Mapping[str, Mapping[str, Any]],
    evolution: Evolution,
    stopped_by: str,
    clock: Clock,
) -> dict[str, Any]:
    """Write the files of a finished run, and return the summary.

    Args:
        config: The options.
        directory: Where to write.
        report: Makes the rows.
        baselines: The rows of the columns.
        evolution: After its last epoch.
        stopped_by: What ended it.
        clock: The time of the run.
    """
    members, problem, counts = evolution.hall.candidates(CANDIDATES), report.problem, evolution.counts
    rows = report.programs(members)
    write_hall(directory, rows)
    directory.write_csv("test_scores.csv", *report.test_scores(members[0], baselines))
    parts = ("train", "validation", "test")
    summary = {
        "best": rows[0],
        "hall_of_fame": rows,
        "baselines": dict(baselines),
        "fitness": config.fitness,
        "relative": config.relative,
        "target": problem.target,
        "reported_on": "scores of the file",
        "ablation": report.ablation(members[0]),
        "verdict": report.verdict(members[0], baselines),
        "tasks": [test.facts(problem.target) for test in problem.tasks],
        "networks": {part: sum(len(getattr(test.split, part)) for test in problem.selected) for part in parts},
        "columns": list(problem.table.columns),
        "dropped": dict(problem.table.dropped),
        "statuses": dict(counts.statuses),
        "programs_evaluated": counts.raced,
        "programs_evaluated_fully": counts.evaluated,
        "racing_error": (counts.squared_errors / max(counts.evaluated, 1)) ** 0.5,
        "generations": evolution.generation,
        "stopped_by": stopped_by,
        "seconds": round(clock.spent, 1),
        "seed": config.seed,
        "device": "cpu",
        "versions": versions(),
        "command": directory.manifest()["command"],
    }
    directory.write_json("summary.json", summary)
    return summary


def write_hall(directory: RunDirectory, rows: Sequence[Mapping[str, Any]], *, provisional: bool = False) -> None:
    """Write ``hall_of_fame.csv``, or the one of a run that goes on, which has no test figures."""
    name = "hall_of_fame.provisional.csv" if provisional else "hall_of_fame.csv"
    directory.write_csv(name, HALL_COLUMNS, [[row.get(column) for column in HALL_COLUMNS] for row in rows], backup=True)
