"""How many programs a second evolve over a table of scores: raced, and the promising ones evaluated in full.

Scores and accuracies are made up: as many tasks, architectures and columns as NAS-Bench-Suite-Zero has. A program
counts once its tau on the racing architectures of every task is computed; children that repeat a living program, exceed
the size or are not finite do not count. Every process runs its own islands on one thread. Rates are by wall time and,
with one worker, by processor time too, which other jobs on the machine disturb less.

    python perf/scores.py [--workers 2] [--tasks 13] [--seconds 20] [--json FILE]
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
from figures import write_figures

from eznas.cli.console import Command, print_table
from eznas.scoring.backends import local_executor
from eznas.symbolic.evaluation import Evaluation
from eznas.symbolic.evolution import ISLANDS, Evolution
from eznas.symbolic.fitness import Fitness
from eznas.symbolic.operators import Language
from eznas.symbolic.population import Rules
from eznas.symbolic.split import split_task
from eznas.symbolic.table import TaskScores


def made_up(tasks: int, architectures: int, columns: int, seed: int) -> list[TaskScores]:
    """Return tasks whose accuracies depend on some of the columns."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(tasks):
        scores = np.exp(rng.normal(size=(columns, architectures)))
        accuracies = np.log(scores[0]) * scores[1] + scores[2] + rng.normal(size=architectures)
        names = tuple(f"net{index}" for index in range(architectures))
        by_column = {f"column{index}": row for index, row in enumerate(scores)}
        made.append(TaskScores(f"task{number}", names, accuracies, by_column))
    return made


def rules_of(tasks: list[TaskScores], offspring: int, seed: int) -> Rules:
    """Return the rules of a run with the default options."""
    columns = tuple(tasks[0].scores)
    splits = [split_task(task, (0.5, 0.2, 0.3), seed) for task in tasks]
    evaluation = Evaluation(columns, tasks, splits)
    fitness = Fitness("mean", (1.0,) * len(tasks))
    return Rules(columns, evaluation, fitness, seed, 1000 // ISLANDS, offspring, 4, 0.0015, 30)


@click.command(cls=Command)
@click.option("--workers", default=2, help="Processes.")
@click.option("--tasks", default=13, help="Tasks.")
@click.option("--architectures", default=700, help="Architectures of each task.")
@click.option("--columns", default=12, help="Columns of scores.")
@click.option("--seconds", default=20.0, help="Seconds to evolve.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--quick", is_flag=True, help="Two epochs on few architectures, to test the command.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *, workers: int, tasks: int, architectures: int, columns: int, seconds: float, seed: int, quick: bool,
    json_file: Path | None
) -> None:  # fmt: skip
    """Time evolution over made-up scores."""
    if quick:
        workers, tasks, architectures, seconds = 1, 2, 100, 0.0
    rules = rules_of(made_up(tasks, architectures, columns, seed), 256 if quick else 4096, seed)
    evolution = Evolution.begin(rules, Language(rules.columns).leaves)
    executor = local_executor(workers)
    evolution.step(executor)  # starts the processes
    counts, begun, worked = evolution.counts, time.monotonic(), time.process_time()
    raced, evaluated = counts.raced, counts.evaluated
    while True:
        evolution.step(executor)
        spent = time.monotonic() - begun
        if spent >= seconds:
            break
    worked = time.process_time() - worked
    figures = {
        "workers": workers,
        "tasks": tasks,
        "racing_architectures": rules.evaluation.racing_size * tasks,
        "programs": counts.raced - raced,
        "evaluated": counts.evaluated - evaluated,
        "statuses": dict(counts.statuses),
        "seconds": round(spent, 2),
        "programs_a_second": round((counts.raced - raced) / spent),
        "programs_a_processor_second": round((counts.raced - raced) / worked) if workers == 1 else None,
        "racing_error": round((counts.squared_errors / counts.evaluated) ** 0.5, 4),
    }
    shown = ["workers", "programs", "evaluated", "seconds", "programs_a_second", "programs_a_processor_second",
             "racing_error"]  # fmt: skip
    title = f"programs over {columns} columns of scores on {tasks} tasks of {architectures} architectures"
    print_table(title, [name.replace("_", " ") for name in shown], [[figures[name] for name in shown]])
    write_figures(json_file, figures)


if __name__ == "__main__":
    main()
