"""The files of a run: logbook, hall of fame, test scores, exported proxies and summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from deap import tools

from eznas.programs import parse
from eznas.programs.export import to_python
from eznas.programs.export.provenance import provenance

if TYPE_CHECKING:
    from eznas.config import EvolveConfig
    from eznas.gp.confirmation import Finished, Row
    from eznas.gp.loop import Evolution
    from eznas.gp.problem import EvolutionProblem
    from eznas.run import RunDirectory


EXPORTED = 3
"""Best programs that are written as Python files."""

_HALL_COLUMNS = ("complexity", "tau_train", "tau_validation", "tau_test", "coverage", "program")


def generation_record(evolution: Evolution, seconds: float) -> dict[str, float | int]:
    """Return one row of the logbook.

    Args:
        evolution: After the generation.
        seconds: Of the run so far.
    """
    statistics = tools.Statistics(lambda individual: individual.fitness.values[0])
    statistics.register("best_fitness", max)
    statistics.register("median_fitness", lambda fitnesses: float(np.median(fitnesses)))
    best = max(evolution.population, key=lambda individual: individual.fitness.values[0])
    return {
        "generation": evolution.generation,
        "seconds": round(seconds, 3),
        "full_size": int(evolution.promoted),
        "programs_evaluated": evolution.breeder.evaluated,
        "reductions": len(evolution.library.entries),
        **statistics.compile(evolution.population),
        "best_tau_train": best.tau_train,
        "best_tau_validation": best.tau_validation,
        "best_complexity": best.program.size,
        **{f"status_{status}": count for status, count in sorted(evolution.breeder.statuses.items())},
    }


def write_logbook(directory: RunDirectory, evolution: Evolution) -> None:
    """Write ``logbook.csv``: one row a generation."""
    rows = [dict(row) for row in evolution.logbook]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    directory.write_csv("logbook.csv", columns, [[_number(row.get(column, 0)) for column in columns] for row in rows])


def write_provisional_hall(directory: RunDirectory, evolution: Evolution) -> None:
    """Write ``hall_of_fame.provisional.csv`` while evolution goes on.

    The taus are those of evolution; the test networks are not used yet.
    """
    rows = [
        (member.program.size, member.tau_train, member.tau_validation, None, 1.0, member.program.text)
        for member in evolution.hall.candidates(len(evolution.hall.members))
    ]
    directory.write_csv("hall_of_fame.provisional.csv", _HALL_COLUMNS, rows, backup=True)


def write_results(
    config: EvolveConfig,
    directory: RunDirectory,
    problem: EvolutionProblem,
    evolution: Evolution,
    finished: Finished,
    seconds: float,
    stopped_by: str,
) -> dict[str, Any]:
    """Write the files of a finished run, and return the summary."""
    rows = [_hall_row(row) for row in finished.evolved]
    directory.write_csv("hall_of_fame.csv", _HALL_COLUMNS, rows, backup=True)
    names = ["rank0", *(row.name for row in finished.baselines)]
    scores = [finished.test_scores[name] for name in names]
    accuracies = problem.accuracies(problem.test)
    directory.write_csv(
        "test_scores.csv",
        ("architecture", "accuracy", "best", *names[1:]),
        [
            (architecture, accuracies[index], *(_number(row[index]) for row in scores))
            for index, architecture in enumerate(problem.test)
        ],
    )
    summary = {
        "best": _as_json(finished.evolved[0]),
        "hall_of_fame": [_as_json(row) for row in finished.evolved],
        "baselines": {row.name: _as_json(row) for row in finished.baselines},
        **problem.summary(),
        "networks": {
            "train": len(problem.train),
            "full_size": len(problem.promoted) if evolution.promoted else 0,
            "validation": len(problem.validation),
            "test": len(problem.test),
        },
        "statuses": dict(evolution.breeder.statuses),
        "reductions_rejected": dict(evolution.library.rejected),
        "programs_evaluated": evolution.breeder.evaluated,
        "reductions_evaluated": evolution.library.tried,
        "generations": evolution.generation,
        "stopped_by": stopped_by,
        "seconds": round(seconds, 1),
        "seed": config.seed,
        "device": problem.problem.device,
        "versions": directory.manifest()["versions"],
        "command": directory.manifest()["command"],
    }
    for figures in summary["hall_of_fame"][:EXPORTED]:
        name, origin = figures["name"], provenance(figures, summary)
        source = to_python(parse(figures["program"]), name=name, provenance=origin, noise_seed=config.seed)
        directory.write_text(f"proxies/{name}.py", source)
    directory.write_json("summary.json", summary)
    directory.append({"event": "finished", "stopped_by": stopped_by, "tau_test": summary["best"]["tau_test"]})
    return summary


def _hall_row(row: Row) -> tuple[object, ...]:
    return (row.complexity, *map(_number, (row.tau_train, _held(row), row.test.tau)), row.coverage, row.program)


def _held(row: Row) -> float:
    return math.nan if row.validation is None else row.validation.tau


def _as_json(row: Row) -> dict[str, Any]:
    figures = {
        "tau_train": row.tau_train,
        "tau_validation": _held(row),
        "tau_test": row.test.tau,
        "tau_test_low": row.test.tau_low,
        "tau_test_high": row.test.tau_high,
        "rho_test": row.test.rho,
    }
    return {
        "name": row.name,
        "program": row.program,
        "complexity": row.complexity,
        "coverage": row.coverage,
        "statuses": row.statuses,
        **{key: _number(value) for key, value in figures.items()},
    }


def _number(value: float) -> float | None:
    """Return a plain number, or None where it is undefined: JSON and CSV have no NaN."""
    if isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
