"""What the parts of an evolution over scores bring: the same time budget with and without a part, for several seeds.

A seed draws the training, validation and test architectures and everything else. Each variant differs from ``all`` by
one option. The figure of a run is the mean over tasks of tau on the test architectures, of the program with the highest
validation fitness. Differences are paired by seed. A finished run is not run again.

    python experiments/ablation.py runs/campaign/scores.csv --out runs/ablation
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats

import eznas
from eznas.api.evolve import ScoresRun
from eznas.cli.console import Command, print_table
from eznas.files import replace_file

ALL: dict[str, Any] = {"fitness": "mean", "relative": True, "weighted_terms": 120, "split": "0.5/0.2/0.3"}
VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "without weighted sums": {"weighted_terms": 0},
    "without genetic programming": {"generations": 1},
    "a ridge penalty of 0.1": {"weighted_ridge": 0.1},
    "accuracies not relative": {"relative": False},
    "the least fitness": {"fitness": "least"},
}


def evolved(scores: Path, out: Path, **options: Any) -> float:
    """Return the mean over tasks of tau on test architectures, of a finished run or of a new one."""
    if (out / "manifest.json").exists():
        begun = ScoresRun.open(out)
        run = begun if begun.finished else begun.resume()
    else:
        run = eznas.evolve(scores=scores, out=out, workers=1, **{**ALL, **options})
    return float(np.mean([task["tau"] for task in run.summary["best"]["tasks"].values()]))


def compared(taus: list[float], whole: list[float]) -> dict[str, float]:
    """Return the mean tau, and the mean of the paired differences with its 95 % interval by Student's t."""
    differences = np.subtract(taus, whole)
    half = stats.t.ppf(0.975, len(taus) - 1) * differences.std(ddof=1) / len(taus) ** 0.5
    middle = float(differences.mean())
    return {"tau": float(np.mean(taus)), "difference": middle, "low": middle - half, "high": middle + half}


@click.command(cls=Command, context_settings={"show_default": True})
@click.argument("scores", metavar="SCORES.csv", type=Path)
@click.option("--out", metavar="DIR", type=Path, default=Path("runs/ablation"), help="Folder of the runs.")
@click.option("--time-budget", metavar="TIME", default="40s", help="Time of each run.")
@click.option("--seeds", metavar="N", type=click.IntRange(2), default=5, help="Seeds 0 to N - 1.")
@click.option("--json", "json_file", metavar="FILE", type=Path, help="File to write the figures to.")
def main(scores: Path, out: Path, time_budget: str, seeds: int, json_file: Path | None) -> None:
    """Compare evolutions over a score file with evolutions without one part, for several seeds."""
    taus: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for seed in range(seeds):
        for place, (name, options) in enumerate(VARIANTS.items()):
            taus[name].append(evolved(scores, out / f"{place}_{seed}", seed=seed, time_budget=time_budget, **options))
    figures = {name: compared(found, taus["all"]) for name, found in taus.items()}
    print_table(
        f"mean tau on test architectures, {seeds} seeds, {time_budget} each",
        ["variant", "tau", "difference", "95 %"],
        [
            [name, row["tau"], f"{row['difference']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}"]
            for name, row in figures.items()
        ],
    )
    if json_file is not None:
        text = json.dumps({"time_budget": time_budget, "seeds": seeds, "variants": figures, "taus": taus}, indent=1)
        replace_file(json_file, (text + "\n").encode())


if __name__ == "__main__":
    main()
