"""Formulas over published scores, tested on tasks that their evolution never saw: one task, or one space, at a time.

``run`` evolves a formula for each task (or space) of a score file with ``eznas evolve --scores --hold-out-task``, and
compares it on the held-out test architectures with single measures: the best on the other tasks, the best in hindsight,
and flops, params and synflow. A fold that is finished is not run again. ``convert`` makes the score file from the
columns of NAS-Bench-Suite-Zero's published scores; the official ``zc_*.json`` need no conversion.

    python experiments/leave_one_out.py convert published_scores_nbsuite_zero.json.gz suite_zero.csv
    python experiments/leave_one_out.py run suite_zero.csv --time-budget 2m --runs runs/leave_one_out
"""

from __future__ import annotations

import csv
import gzip
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np
from checked_runs import check_run
from scipy.stats import kendalltau

import eznas
from eznas.api.evolve import ScoresRun
from eznas.cli.console import Command, print_table
from eznas.config import read_toml
from eznas.report.html import interval
from eznas.symbolic.config import ScoresConfig, parse_split
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.report import program_scores
from eznas.symbolic.split import split_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.symbolic.table import ScoreTable

NAMED = ("flops", "params", "synflow")
RESAMPLES = 500
_FAILED = -1e8  # NASLib's mark of a measure without a value


@click.group()
def main() -> None:
    """Test formulas over published scores on tasks that their evolution never saw."""


@main.command(cls=Command)
@click.argument("source", metavar="COLUMNS.json.gz", type=Path)
@click.argument("target", metavar="FILE.csv", type=Path)
def convert(source: Path, target: Path) -> None:
    """Write the columns of NAS-Bench-Suite-Zero's published scores as one score file.

    Of architectures that come twice, the first is kept.
    """
    tasks = {
        f"{benchmark}/{dataset}": columns
        for benchmark, datasets in json.loads(gzip.decompress(source.read_bytes())).items()
        for dataset, columns in datasets.items()
    }
    skipped = ("arch", "val_accuracy", "seconds")
    names = sorted({name for columns in tasks.values() for name in columns} - set(skipped))
    with target.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["task", "architecture", "accuracy", *names])
        for task, columns in tasks.items():
            for place in {name: place for place, name in reversed(list(enumerate(columns["arch"])))}.values():
                scores = [columns[name][place] if name in columns else None for name in names]
                written = ["" if score is None or score <= _FAILED else score for score in scores]
                writer.writerow([task, columns["arch"][place], columns["val_accuracy"][place], *written])


def folds(table: ScoreTable, by: str) -> dict[str, list[str]]:
    """Return the tasks that each fold holds out, by the fold's name."""
    held: dict[str, list[str]] = {}
    for task in table.tasks:
        held.setdefault(task.name if by == "task" else task.name.partition("/")[0], []).append(task.name)
    return held


def evolved(table: ScoreTable, held_out: Sequence[str], out: Path, **options: Any) -> ScoresRun:
    """Return the run of a fold: a finished one, a resumed one, or a new one.

    Raises:
        InputError: The run has other options or files.
    """
    options |= {"scores": tuple(map(Path, table.sources)), "hold_out_task": tuple(held_out)}
    if not (out / "manifest.json").exists():
        return cast("ScoresRun", eznas.evolve(out=out, **options))
    check_run(out, ScoresConfig, options, options["scores"], "runs")
    run = ScoresRun.open(out)
    return cast("ScoresRun", run if run.finished else run.resume())


def compared(run: ScoresRun, table: ScoreTable, name: str) -> dict[str, Any]:
    """Return the scores of the formula and of the single measures on a held-out task, with the accuracies.

    ``chosen`` is the column of the highest fitness, and ``hindsight`` that of the highest tau on the task; they are
    None if no column has one.
    """
    summary = run.summary
    fitness = {column: summary["baselines"][column]["tau_train"] for column in summary["columns"]}
    fitness = {column: tau for column, tau in fitness.items() if tau is not None}
    sizes = parse_split(read_toml(run.path / "config.toml")["split"])
    held_out = [each["name"] for each in summary["tasks"] if each["held_out"]]
    splits = split_tasks(table.tasks, sizes, summary["seed"], held_out)
    task, test = next((each, split.test) for each, split in zip(table.tasks, splits, strict=True) if each.name == name)
    taus = {column: row["tasks"][name]["tau"] for column, row in summary["baselines"].items()}
    taus = {column: tau for column, tau in taus.items() if tau is not None}
    return {
        "task": name,
        "architectures": len(test),
        "program": summary["best"]["program"],
        "chosen": max(fitness, key=lambda column: float(fitness[column]), default=None),
        "hindsight": max(taus, key=lambda column: float(taus[column]), default=None),
        "taus": {"formula": summary["best"]["tasks"][name]["tau"], **taus},
        "scores": {
            "accuracy": task.accuracies[test],
            "formula": program_scores(table, task, summary["best"]["program"])[test],
            **{column: values[test] for column, values in task.scores.items()},
        },
    }


def resampled(fold: dict[str, Any], names: Sequence[str | None], seed: int) -> NDArray[np.float64]:
    """Return taus of scores on bootstrap resamples of the architectures: resamples x names; NaN for missing ones."""
    rng, scores = np.random.default_rng(seed), fold["scores"]
    taus = np.full((RESAMPLES, len(names)), np.nan)
    for row in taus:
        drawn = rng.integers(0, fold["architectures"], fold["architectures"])
        for place, name in enumerate(names):
            if name in scores and np.isfinite(scores[name]).all():
                row[place] = kendalltau(scores[name][drawn], scores["accuracy"][drawn]).statistic
    return taus


def bounds(values: NDArray[np.float64]) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % percentile interval; None where a value is undefined."""
    if np.isnan(values).any():
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def summarised(found: Sequence[dict[str, Any]], seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row for each held-out task, and the means over tasks, with intervals of the paired differences."""
    rows: list[dict[str, Any]] = []
    drawn: dict[str, list[NDArray[np.float64]]] = {"formula": [], "chosen": [], "flops": []}
    for fold in found:
        taus = resampled(fold, ["formula", fold["chosen"], "flops"], seed)
        for name, column in zip(drawn, taus.T, strict=True):
            drawn[name].append(column)
        intervals = {"interval": bounds(taus[:, 0]), "difference_interval": bounds(taus[:, 0] - taus[:, 1])}
        rows.append({**{key: value for key, value in fold.items() if key != "scores"}, **intervals})
    means = {name: np.mean(columns, axis=0) for name, columns in drawn.items()}
    totals: dict[str, Any] = {
        "formula": mean_tau(rows, lambda _: "formula"),
        "interval": bounds(means["formula"]),
        "chosen": mean_tau(rows, lambda row: row["chosen"]),
        "difference_interval": bounds(means["formula"] - means["chosen"]),
        "hindsight": mean_tau(rows, lambda row: row["hindsight"]),
        **{name: mean_tau(rows, partial(_named, name)) for name in NAMED},
    }
    if totals["flops"] is not None:
        totals["difference_to_flops_interval"] = bounds(means["formula"] - means["flops"])
    return rows, totals


def _named(name: str, _: dict[str, Any]) -> str:
    return name


def mean_tau(rows: Sequence[dict[str, Any]], name_of: Callable[[dict[str, Any]], str | None]) -> float | None:
    """Return the mean over tasks of the tau of a measure; None where a task lacks it."""
    taus = [row["taus"].get(name_of(row)) for row in rows]
    return None if None in taus else float(np.mean(taus))


@main.command(cls=Command, context_settings={"show_default": True})
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=Path)
@click.option("--by", type=click.Choice(["task", "space"]), default="task", help="What a fold holds out.")
@click.option("--time-budget", metavar="TIME", default="2m", help="Time of a fold.")
@click.option("--generations", metavar="N", type=int, help="Most generations of a fold.")
@click.option("--split", metavar="A/B/C", default="0.4/0.2/0.4", help="Training, validation and test architectures.")
@click.option("--seed", metavar="N", default=0, help="Seed of everything.")
@click.option("--workers", metavar="N", default=0, help="Processes; 0 for one per core.")
@click.option("--runs", metavar="DIR", type=Path, default=Path("runs/leave_one_out"), help="Folder of the folds' runs.")
@click.option("--json", "json_file", metavar="FILE", type=Path, help="File to write the figures to.")
def run(
    files: tuple[Path, ...],
    by: str,
    time_budget: str,
    generations: int | None,
    split: str,
    seed: int,
    workers: int,
    runs: Path,
    json_file: Path | None,
) -> None:
    """Evolve a formula for each task or space that is held out, and compare it there with single measures."""
    options = {"time_budget": time_budget, "split": split, "seed": seed, "workers": workers}
    if generations is not None:
        options["generations"] = generations
    found = []
    table = read_score_tables(files)
    for name, held_out in folds(table, by).items():
        fold = evolved(table, held_out, runs / f"{by}_{name.replace('/', '_')}_{seed}", **options)
        found += [compared(fold, table, task) for task in held_out]
    rows, totals = summarised(found, seed)
    print_table(
        f"tau on the test architectures of tasks that evolution never saw, one {by} at a time",
        ["task", "n", "formula", "95 %", "chosen single", "its tau", "difference", "best single", "its tau", *NAMED],
        [
            [
                row["task"],
                row["architectures"],
                row["taus"]["formula"],
                interval(*row["interval"]),
                row["chosen"],
                row["taus"].get(row["chosen"]),
                interval(*row["difference_interval"]),
                row["hindsight"],
                row["taus"].get(row["hindsight"]),
                *(row["taus"].get(name) for name in NAMED),
            ]
            for row in rows
        ]
        + [
            [
                "mean",
                None,
                totals["formula"],
                interval(*totals["interval"]),
                "",
                totals["chosen"],
                interval(*totals["difference_interval"]),
                "",
                totals["hindsight"],
                *(totals[name] for name in NAMED),
            ]
        ],
    )
    if json_file is not None:
        made = read_toml(fold.path / "config.toml")  # all folds have the same options
        budget = {name: made[name] for name in ("seed", "split", "time_budget", "generations")}
        figures = {"by": by, **budget, "tasks": rows, "mean": totals}
        json_file.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python experiments/leave_one_out.py")
