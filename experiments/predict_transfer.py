"""Transfer of predictors between data sets and spaces; ``python experiments/predict_transfer.py --help`` explains."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from eznas.benchmarks import load_table
from eznas.cli.console import Command
from eznas.files import write_output
from eznas.predictors import TransferredPredictor, common_scores, make_predictor
from eznas.predictors.sampling import draw_trial
from eznas.ranking import correlate
from eznas.seeds import python_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.predictors import Predictor

    Scores = dict[str, dict[str, float]]

SIZES, TEST, SOURCE = (5, 8, 14, 24, 42), 200, 500
TREES: dict[str, Any] = {"n_estimators": 100}


def read_scores(path: Path) -> Scores:
    """Read a file of scores."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: {row["architecture"]: float(row[name] or "nan") for row in rows}
        for name in rows[0]
        if name != "architecture"
    }


def accuracies_of(space: str, dataset: str, table: Path, target: str, known: set[str]) -> dict[str, float]:
    """Return the accuracies of the architectures of a table that are among the known ones."""
    loaded = load_table(space, dataset, table, target)
    pairs = zip(loaded.architectures, loaded.accuracies.tolist(), strict=True)
    return {cell: accuracy for cell, accuracy in pairs if cell in known}


def compare(
    space: str, accuracies: dict[str, float], makers: dict[str, Callable[[], Predictor]], trials: int
) -> list[dict[str, object]]:
    """Return the mean and the standard deviation of tau of each predictor at each size.

    They are over the trials in which tau is defined; ``undefined`` counts those in which all predictions are equal.
    """
    taus: dict[tuple[str, int], list[float]] = {}
    for trial in range(trials):
        train, test = draw_trial(SPACES[space], accuracies, SIZES[-1], TEST, "uniform", trial)
        truth = np.array([accuracies[cell] for cell in test])
        for name, make in makers.items():
            for size in SIZES:
                predictor = make()
                predictor.fit(train[:size], [accuracies[cell] for cell in train[:size]], seed=trial)
                tau = correlate(predictor.predict(test).mean, truth, resamples=0).tau
                taus.setdefault((name, size), []).append(tau)
    rows: list[dict[str, object]] = []
    for (name, size), values in taus.items():
        defined = [tau for tau in values if not np.isnan(tau)]
        rows.append(
            {
                "predictor": name,
                "train_size": size,
                "tau": float(np.mean(defined)) if defined else None,
                "tau_sd": float(np.std(defined, ddof=1)) if len(defined) > 1 else None,
                "undefined": len(values) - len(defined),
            }
        )
    return rows


def _own(space: str) -> Predictor:
    return make_predictor("extra_trees", space, **TREES)


def _both(source: Predictor, space: str) -> Predictor:
    return TransferredPredictor(source, _own(space))


@click.command(cls=Command)
@click.argument("tables", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--trials", default=20, show_default=True, help="Draws of training and test architectures.")
def main(tables: Path, out: Path, trials: int) -> None:
    """Fit to 500 cells of NAS-Bench-201, CIFAR-10, and transfer to CIFAR-100 and to NAS-Bench-101.

    TABLES is the folder data/ of predictor_table.py. OUT receives the figures as JSON. On CIFAR-100, the source and the
    residuals read the features of the space, and no architecture of the target is among those of the source. On
    NAS-Bench-101, the source reads the scores that both spaces have, and the residuals the features of the space.
    """
    scores = {space: read_scores(tables / f"{space}_scores.csv") for space in ("nasbench201", "nasbench101")}
    cells = {*next(iter(scores["nasbench201"].values()))}
    known = accuracies_of("nasbench201", "cifar10", tables / "nasbench201_cifar10.csv", "validation_200", cells)
    trained = python_rng(0, "source").sample([*known], SOURCE)
    functions = {SPACES["nasbench201"].canonical(cell) for cell in trained}
    others = {cell for cell in cells if SPACES["nasbench201"].canonical(cell) not in functions}
    hundred = accuracies_of("nasbench201", "cifar100", tables / "nasbench201_cifar100.csv", "validation_200", others)
    smaller = {*next(iter(scores["nasbench101"].values()))}
    cells101 = accuracies_of("nasbench101", "cifar10", tables / "nasbench101_scored.csv", "validation_108", smaller)
    common = common_scores(scores["nasbench201"], scores["nasbench101"])
    figures = {}
    for space, target, source in (
        ("nasbench201", hundred, make_predictor("extra_trees", "nasbench201", **TREES)),
        ("nasbench101", cells101, make_predictor("extra_trees", encoding="measures", scores=common, **TREES)),
    ):
        source.fit(trained, [known[cell] for cell in trained])

        makers: dict[str, Callable[[], Predictor]] = {
            "few labels": partial(_own, space),
            "source": partial(TransferredPredictor, source),
            "source and few labels": partial(_both, source, space),
        }
        figures[space] = compare(space, target, makers, trials)
        for row in figures[space]:
            undefined = f", undefined in {row['undefined']} trials" if row["undefined"] else ""
            click.echo(f"{space} {row['predictor']}, {row['train_size']}: {row['tau']}{undefined}")
    write_output(out, json.dumps({"trials": trials, "figures": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
