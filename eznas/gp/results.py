"""The files of a run: logbook, hall of fame, test scores, exported proxies and summary."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from deap import tools

from eznas.errors import InputError
from eznas.gp.verdict import TaskScores, verdict
from eznas.programs import parse
from eznas.programs.export import to_python
from eznas.programs.export.provenance import provenance
from eznas.scoring.network_leaves import written_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.confirmation import Finished, Row, TaskResult
    from eznas.gp.individual import Individual
    from eznas.gp.loop import Evolution
    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.run import RunDirectory


EXPORTED = 3
"""Best programs that are written as Python files."""

HALL_COLUMNS = ("complexity", "seconds", "tau_train", "tau_validation", "tau_test", "coverage", "program")
"""The columns of ``hall_of_fame.csv``."""


def generation_record(evolution: Evolution, seconds: float) -> dict[str, float | int]:
    """Return one row of the logbook.

    Args:
        evolution: After the generation.
        seconds: Of the run so far.
    """

    def fitness(individual: Individual) -> float:
        """Return the number that orders programs; with an objective for each task, the tau over the tasks."""
        return individual.tau_train if evolution.config.objective == "tasks" else individual.fitness.values[0]

    statistics = tools.Statistics(fitness)
    statistics.register("best_fitness", max)
    statistics.register("median_fitness", lambda fitnesses: float(np.median(fitnesses)))
    best = max(evolution.population, key=fitness)
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


def write_networks(directory: RunDirectory, problem: EvolutionProblem) -> None:
    """Write ``networks.csv``: the architectures of each task by part."""
    rows = [
        (task.name, task.problem.space.name, part, architecture)
        for task in problem.every_task
        for part, architectures in (("training", task.train), ("validation", task.validation), ("test", task.test))
        for architecture in architectures
    ]
    directory.write_csv("networks.csv", ("task", "space", "part", "architecture"), rows)


def write_logbook(directory: RunDirectory, evolution: Evolution) -> None:
    """Write ``logbook.csv``: one row a generation."""
    rows = [dict(row) for row in evolution.logbook]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    directory.write_csv("logbook.csv", columns, [[number(row.get(column, 0)) for column in columns] for row in rows])


def write_provisional_hall(directory: RunDirectory, evolution: Evolution) -> None:
    """Write ``hall_of_fame.provisional.csv`` while evolution goes on.

    The taus are those of evolution; the test networks are not used yet.
    """
    rows = [
        (member.program.size, None, member.tau_train, member.tau_validation, None, None, member.program.text)
        for member in evolution.hall.candidates(len(evolution.hall.members))
    ]
    directory.write_csv("hall_of_fame.provisional.csv", HALL_COLUMNS, rows, backup=True)


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
    rows = [_as_json(row) for row in finished.evolved]
    columns = [[row[column] for column in HALL_COLUMNS] for row in rows]
    directory.write_csv("hall_of_fame.csv", HALL_COLUMNS, columns, backup=True)
    _write_test_scores(directory, problem, finished)
    directory.write_json("genealogy.json", evolution.genealogy.as_json(finished.origin))
    manifest = directory.manifest()
    tasks = [_task_as_json(problem, task, evolution, finished) for task in problem.every_task]
    selecting = [task["networks"] for task in tasks if not task["held_out"]]
    summary = {
        "best": rows[0],
        "hall_of_fame": rows,
        "baselines": {row.name: _as_json(row) for row in finished.baselines},
        "fitness": config.fitness,
        "relative": config.relative,
        **{name: manifest[name] for name in ("target", "reported_on")},
        "tasks": tasks,
        "ablation": [
            {
                "without": part.without,
                "program": part.program,
                "tasks": {task: number(tau) for task, tau in part.taus.items()},
            }
            for part in finished.ablation
        ],
        "verdict": _verdict(problem, finished, config.seed),
        "networks": {part: sum(networks[part] for networks in selecting) for part in selecting[0]},
        "statuses": dict(evolution.breeder.statuses),
        "reductions_rejected": dict(evolution.library.rejected),
        "programs_evaluated": evolution.breeder.evaluated,
        "reductions_evaluated": evolution.library.tried,
        "generations": evolution.generation,
        "stopped_by": stopped_by,
        "seconds": round(seconds, 1),
        "seed": config.seed,
        "device": problem.device,
        "versions": manifest["versions"],
        "command": manifest["command"],
    }
    _write_proxies(directory, rows[:EXPORTED], summary)
    directory.write_json("summary.json", summary)
    directory.append({"event": "finished", "stopped_by": stopped_by, "tau_test": summary["best"]["tau_test"]})
    return summary


def _write_proxies(directory: RunDirectory, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    """Write programs as Python files, and remove those of an earlier end of the run."""
    written = set()
    for figures in rows:
        name, origin = figures["name"], provenance(figures, summary)
        program = written_out(parse(figures["program"]))
        try:
            source = to_python(program, name=name, provenance=origin, noise_seed=summary["seed"])
        except InputError:  # a program that reads features of architectures has no file of its own
            continue
        directory.write_text(f"proxies/{name}.py", source)
        written.add(f"{name}.py")
    for name in {f"rank{rank}.py" for rank in range(EXPORTED)} - written:
        (directory.path / "proxies" / name).unlink(missing_ok=True)


def _write_test_scores(directory: RunDirectory, problem: EvolutionProblem, finished: Finished) -> None:
    rows = [finished.evolved[0], *finished.baselines]
    lines: list[tuple[object, ...]] = []
    for task in problem.every_task:
        networks = finished.tested[task.name]
        scores = [row.tasks[task.name].scores for row in rows]
        for place, (network, accuracy) in enumerate(zip(networks, task.accuracies(networks).tolist(), strict=True)):
            lines.append((task.name, network, accuracy, *(number(score[place]) for score in scores)))
    names = ("best", *(row.name for row in finished.baselines))
    directory.write_csv("test_scores.csv", ("task", "architecture", "accuracy", *names), lines)


def _task_as_json(
    problem: EvolutionProblem, task: EvolutionTask, evolution: Evolution, finished: Finished
) -> dict[str, Any]:
    left_out = {} if task.held_out else evolution.evaluator.left_out(problem.tasks.index(task))
    return {
        **task.facts(),
        "networks": {
            "train": len(task.train),
            "full_size": len(task.promoted) if evolution.promoted else 0,
            "validation": len(task.validation),
            "test": len(finished.tested[task.name]),
        },
        "left_out": {
            "train": {name: reason for name, reason in left_out.items() if name in task.train},
            "validation": {name: reason for name, reason in left_out.items() if name in task.validation},
            "test": finished.failures[task.name],
        },
    }


def _as_json(row: Row) -> dict[str, Any]:
    """Return the figures of a proxy; with several tasks, intervals and rho stand at the tasks only."""
    tests = [result.test for result in row.tasks.values()]
    alone = tests[0] if len(tests) == 1 else None
    statuses: Counter[str] = Counter()
    for result in row.tasks.values():
        statuses.update(result.statuses)
    return {
        "name": row.name,
        "program": row.program,
        "complexity": row.complexity,
        "seconds": number(row.seconds),
        "tau_train": number(row.tau_train),
        "tau_validation": number(row.tau_validation),
        "tau_test": number(row.tau_test),
        "tau_test_low": number(alone.tau_low) if alone else None,
        "tau_test_high": number(alone.tau_high) if alone else None,
        "rho_test": number(alone.rho) if alone else None,
        "coverage": statuses["ok"] / max(sum(statuses.values()), 1),
        "statuses": dict(sorted(statuses.items())),
        "tasks": {name: _result_as_json(result) for name, result in row.tasks.items()},
    }


def _verdict(problem: EvolutionProblem, finished: Finished, seed: int) -> dict[str, Any]:
    rows = {"best": finished.evolved[0], **{row.name: row for row in finished.baselines}}
    return verdict(
        [
            TaskScores(
                task.name,
                task.accuracies(finished.tested[task.name]),
                {name: row.tasks[task.name].scores for name, row in rows.items()},
                task.held_out,
            )
            for task in problem.every_task
        ],
        seed=seed,
    )


def _result_as_json(result: TaskResult) -> dict[str, Any]:
    held = math.nan if result.validation is None else result.validation.tau
    test = result.test
    figures = {"tau_train": result.tau_train, "tau_validation": held, "tau": test.tau}
    figures |= {"tau_low": test.tau_low, "tau_high": test.tau_high, "rho": test.rho, **result.metrics}
    numbers = {name: number(value) for name, value in figures.items()}
    return {**numbers, "coverage": result.coverage, "statuses": result.statuses, "n": test.n}


def number(value: float) -> float | None:
    """Return a plain number, or None where it is undefined: JSON and CSV have no NaN."""
    if isinstance(value, int):
        return value
    return float(value) if math.isfinite(value) else None
