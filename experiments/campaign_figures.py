"""The tables of the campaign."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.cli.console import print_table
from eznas.ranking import TauTarget, correlate
from eznas.report.html import interval
from eznas.symbolic.read import read_score_tables
from eznas.symbolic.report import program_scores

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.api.evolve import EvolutionRun

TRIVIAL = ("params", "flops", "synflow")
BESIDE = (*TRIVIAL, "naswot")


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a score file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def figures_of(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return tau with its interval, rho and the number of networks with a score."""
    finite = np.isfinite(scores)
    found = correlate(scores[finite], labels[finite], seed=0)
    return {"tau": found.tau, "low": found.tau_low, "high": found.tau_high, "rho": found.rho, "n": int(finite.sum())}


def print_tests(figures: dict[str, dict[str, Any]]) -> None:
    """Print tau of each program and measure on each task."""
    names = list(next(iter(figures.values())))
    rows = [
        [
            task,
            row[names[0]]["n"],
            *(row[name]["tau"] for name in names),
            interval(row[names[0]]["low"], row[names[0]]["high"]),
        ]
        for task, row in figures.items()
    ]
    print_table("tau on networks that evolution did not see", ["task", "n", *names, f"95 % of {names[0]}"], rows)


def print_left_out(run: EvolutionRun, scores: Path, without: str, one_seed: Path) -> None:
    """Print tau of the best formula on the networks of the space that its evolution never saw, scored with one seed."""
    table = read_score_tables([scores])
    scored = {row["architecture"] for row in read_rows(one_seed)}
    rows = []
    for task in (task for task in table.tasks if task.name.startswith(f"{without}/")):
        chosen = [place for place, name in enumerate(task.architectures) if name in scored]
        labels = task.accuracies[chosen]
        taus = TauTarget(labels).taus(np.stack(list(task.scores.values()))[:, chosen])
        others = dict(zip(task.scores, taus.tolist(), strict=True))
        best = max(others, key=lambda name: others[name] if math.isfinite(others[name]) else -1.0)
        found = figures_of(program_scores(table, task, run.summary["best"]["program"])[chosen], labels)
        rows.append(
            [task.name, found["n"], found["tau"], interval(found["low"], found["high"])]
            + [others.get(name) for name in BESIDE]
            + [best, others[best]]
        )
    print_table(
        f"tau of a formula evolved without {without}",
        ["task", "n", "formula", "95 %", *BESIDE, "best column", "its tau"],
        rows,
    )
