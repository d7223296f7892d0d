"""Search NAS-Bench-201 by BANANAS with predictors, on random candidates and on the whole space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from search_naswot import run, write_rows

from eznas.cli.console import Command
from eznas.search.config import SearchConfig

AFTER = (10, 25, 50, 100, 200)
"""Queries after which the best accuracy is reported."""

PUBLISHED = {
    "adjacency one-hot": (89.89, 90.60, 90.93, 91.12, 91.26),
    "and 13 scores": (89.89, 90.66, 90.97, 91.09, 91.23),
}
"""BANANAS with XGBoost and 100 random candidates in NAS-Bench-Suite-Zero, 32 runs, by features."""

SEARCHES: tuple[dict[str, Any], ...] = (
    {"algorithm": "random"},
    {"algorithm": "aging_evolution"},
    {"algorithm": "bananas"},
    *(
        {"algorithm": "bananas", "predictor": "xgboost@onehot", "acquisition": "mean", "candidates": candidates}
        for candidates in ("random:100", "100", "all")
    ),
)
"""The options of each search."""


@click.command(cls=Command)
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--runs", default=16, show_default=True, help="Runs of each search.")
def main(table: Path, folder: Path, runs: int) -> None:
    """Search the accuracies of TABLE, CIFAR-10 validation accuracies of NAS-Bench-201, by BANANAS with predictors.

    A run makes 200 queries, 10 before the first fit and 10 between two fits, as in NAS-Bench-Suite-Zero. FOLDER
    receives a run directory per search, and search_predictors.csv: the mean best accuracy after some queries, and its
    standard deviation over the runs after the last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = [
        [f"published, XGBoost, {name}", 32, *figures, None] for name, figures in PUBLISHED.items()
    ]
    for options in SEARCHES:
        name = "_".join(options.values()).replace(":", "_").replace("@", "_")
        config = SearchConfig(table=str(table), queries=AFTER[-1], runs=runs, **options)
        results = run(config, folder / name)
        _, found = results.by_queries()
        means = [round(float(found[:, queries - 1].mean()), 3) for queries in AFTER]
        spread = round(float(np.std(found[:, -1], ddof=1)), 3)
        rows.append([results.label.removesuffix(" on accuracy"), runs, *means, spread])
        write_rows(folder / "search_predictors.csv", ["search", "runs", *map(str, AFTER), "deviation"], rows)


if __name__ == "__main__":
    main()
