"""Explain differences from published taus on NAS-Bench-101; ``python experiments/predictor_sampling.py --help``."""

from __future__ import annotations

import ast
import gzip
import itertools
import json
import shlex
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from predictor_published_models import PUBLISHED_MODELS
from predictor_table import TEST, published_at
from tables import write_tables

from eznas.benchmarks import load_table
from eznas.benchmarks.convert.zc import NOTATIONS
from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.files import write_output
from eznas.predictors.encodings.base import ENCODINGS, EncodingInputs
from eznas.predictors.encodings.cells import NB101_VERTICES, padded_cell
from eznas.predictors.encodings.tokens import Tokens, nasbench101_tokens
from eznas.predictors.fits import fit_versions
from eznas.predictors.models.boosting import xgboost
from eznas.predictors.models.forests import random_forest
from eznas.predictors.models.linear import bayesian_linear_regression
from eznas.predictors.models.networks import bananas, mlp
from eznas.predictors.models.sequence_networks import nao
from eznas.predictors.protocol import library_failures
from eznas.predictors.structured import Sequences
from eznas.ranking import correlate
from eznas.run import versions
from eznas.seeds import derive_seed, python_rng
from eznas.spaces import SPACES
from eznas.spaces.nasbench101 import OPERATIONS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.encoded import Regressor

    Sample = list[tuple[str, str, float]]
    """Architectures: a matrix that may be unpruned, the first string of its cell, and the accuracy in percent."""

SPACE, SEED = SPACES["nasbench101"], 0
SIZES, TRIALS = (24, 71, 121, 205), 20
DRAWS, MOST = 1_000_000, 20
"""Random matrices, and most that are kept of those with the same cell."""

TOKENS = Tokens(EncodingInputs(SPACE))


class SequenceRows:
    """``nao`` on rows of tokens."""

    def __init__(self, seed: int) -> None:
        self._network: Any = nao(seed)

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Fit to ``n x l`` tokens and ``n`` labels."""
        self._network.fit(self._sequences(rows), labels)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``n`` predictions."""
        predicted: NDArray[np.float64] = self._network.predict(self._sequences(rows))
        return predicted

    @staticmethod
    def _sequences(rows: NDArray[np.float64]) -> Sequences:
        return Sequences(rows.astype(np.int64), TOKENS.vocabulary, np.empty((0, rows.shape[1]), dtype=np.int64))


OURS: dict[str, Callable[[int], Regressor]] = {
    "random_forest": random_forest,
    "xgboost": xgboost,
    "bayesian_linear_regression": bayesian_linear_regression,
    "mlp": mlp,
    "bananas": bananas,
    "nao": SequenceRows,
}
READ: dict[str, Any] = {name: ENCODINGS[name](EncodingInputs(SPACE)) for name in ("onehot", "path")}
READ |= {"tokens": TOKENS}
READ_BY = {"bananas": "path", "nao": "tokens"}
"""The encoding of a predictor that does not read the one-hot encoding."""


@dataclass(frozen=True)
class Way:
    """A way to draw, encode and fit; ``main`` explains the words."""

    sample: str
    unpruned: bool = False
    percent: bool = False
    regressors: dict[str, Callable[[int], Regressor]] = field(default_factory=lambda: OURS)


WAYS = {
    "table": Way("table"),
    "drawn": Way("drawn"),
    "drawn, unpruned": Way("drawn", unpruned=True),
    "published": Way("published"),
    "published, unpruned": Way("published", unpruned=True),
    "published, unpruned, percent": Way("published", True, True, {name: OURS[name] for name in PUBLISHED_MODELS}),
    "published, unpruned, percent, published model": Way("published", True, True, PUBLISHED_MODELS),
}


def random_matrix(rng: random.Random) -> str:
    """Draw every edge of seven vertices with probability 1/2, and the operations; the result may be no cell."""
    rows = ("".join(rng.choice("01") if j > i else "0" for j in range(NB101_VERTICES)) for i in range(NB101_VERTICES))
    return f"{'/'.join(rows)} {','.join(('input', *rng.choices(OPERATIONS, k=NB101_VERTICES - 2), 'output'))}"


def random_pool(known: dict[str, float], draws: int) -> dict[str, Any]:
    """Draw random matrices, count those that are cells and those whose cell is known, and keep some of each cell."""
    rng = python_rng(SEED, "matrices")
    first: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    kept, valid = [], 0
    for _ in range(draws):
        matrix = random_matrix(rng)
        try:
            pruned = SPACE.parse(matrix)
        except InputError:
            continue
        valid += 1
        cell = first[pruned] if pruned in first else first.setdefault(pruned, SPACE.canonical(pruned))
        if cell in known:
            counts[cell] += 1
            if counts[cell] <= MOST:
                kept.append((matrix, cell))
    return {"draws": draws, "cells": valid, "known": counts.total(), "distinct": len(counts), "matrices": kept}


def read_samples(columns: Path, folder: Path, draws: int) -> tuple[dict[str, Sample], dict[str, int]]:
    """Return the architectures of each sample, and facts about the random matrices."""
    write_tables(folder, [columns / "nasbench101.json.gz"])
    table = load_table("nasbench101", "cifar10", folder / "nasbench101_cifar10.csv", "validation_108")
    pairs = zip(table.architectures, table.accuracies.tolist(), strict=True)
    samples = {"table": [(one, SPACE.canonical(one), accuracy) for one, accuracy in pairs]}
    known = {cell: accuracy for _, cell, accuracy in samples["table"]}
    path = folder / f"matrices_{draws}.json"
    if not path.exists():
        write_output(path, json.dumps(random_pool(known, draws)) + "\n")
    pool = json.loads(path.read_text(encoding="utf-8"))
    samples["drawn"] = [(matrix, cell, known[cell]) for matrix, cell in pool.pop("matrices")]
    with gzip.open(columns / "published_scores_nbsuite_zero.json.gz", "rt", encoding="utf-8") as file:
        suite = json.load(file)["nasbench101"]["cifar10"]
    named = [NOTATIONS["nasbench101"](ast.literal_eval(text)) for text in suite["arch"]]
    cells = [SPACE.canonical(SPACE.parse(one)) for one in named]
    samples["published"] = list(zip(named, cells, suite["val_accuracy"], strict=True))
    return samples, pool


def draw(sample: Sample, count: int, rng: random.Random, repeated: bool) -> Sample:
    """Draw architectures without replacement; without repeated cells unless asked for."""
    drawn: dict[object, tuple[str, str, float]] = {}
    for place, one in enumerate(rng.sample(sample, len(sample))):
        drawn.setdefault(place if repeated else one[1], one)
    if len(drawn) < count:
        raise InputError(f"a sample must have {count} architectures, got {len(drawn)}; raise --draws")
    return [*drawn.values()][:count]


def unpruned_rows(matrices: Sequence[str]) -> NDArray[np.float64]:
    """Return the 21 edges of each matrix row by row, and an indicator of each operation on its five inner vertices."""
    pairs = [*itertools.combinations(range(NB101_VERTICES), 2)]
    rows = []
    for text in matrices:
        matrix, named = padded_cell(text)
        chosen = [float(name == operation) for name in named for operation in OPERATIONS]
        rows.append([float(matrix[i][j]) for i, j in pairs] + chosen)
    return np.array(rows)


def fit_trial(way: Way, drawn: Sample, trial: int, only: Collection[str] = ()) -> dict[str, list[float | None]]:
    """Return the taus of each predictor by size; None if the fit failed or tau is undefined.

    Args:
        way: How to encode and fit.
        drawn: The sample; the test architectures come first.
        trial: The number of the trial, for the seeds.
        only: The predictors; all of the way if empty.
    """
    matrices, accuracies = [one[0] for one in drawn], np.array([one[2] for one in drawn])
    pruned = [SPACE.parse(one) for one in matrices]
    rows_of = {name: encoding.rows(pruned, None) for name, encoding in READ.items()}
    if way.unpruned:  # the paths of the whole matrix are those of the cell
        rows_of["onehot"] = unpruned_rows(matrices)
        rows_of["tokens"] = np.array([nasbench101_tokens(one) for one in matrices], dtype=np.float64)
    taus: dict[str, list[float | None]] = {}
    for name, make in way.regressors.items():
        if (only and name not in only) or (name == "bananas" and way.unpruned and not way.percent):
            continue
        rows = rows_of[READ_BY.get(name, "onehot")]
        for size in SIZES:
            labels = accuracies[TEST : TEST + size]
            if not way.percent:
                labels = (labels - labels.mean()) / labels.std()
            regressor = make(derive_seed(SEED + trial, "fit", name) % 2**32)
            try:
                regressor.fit(rows[TEST : TEST + size], labels)
                tau = correlate(regressor.predict(rows[:TEST]), accuracies[:TEST], resamples=0).tau
            except library_failures():
                tau = np.nan
            taus.setdefault(name, []).append(float(tau) if np.isfinite(tau) else None)
    return taus


def summary(trials: Sequence[dict[str, dict[str, list[float | None]]]]) -> list[dict[str, Any]]:
    """Return mean tau, its standard error over trials, and the number of undefined taus, beside published figures."""
    rows: list[dict[str, Any]] = []
    for (way, options), (place, size) in itertools.product(WAYS.items(), enumerate(SIZES)):
        for name in (one for one in options.regressors if one in trials[0][way]):
            values = [trial[way][name][place] for trial in trials]
            defined = [value for value in values if value is not None]
            row: dict[str, Any] = {"predictor": name, "way": way, "train_size": size, "tau": None, "tau_se": None}
            if len(defined) > 1:
                row["tau"] = round(float(np.mean(defined)), 4)
                row["tau_se"] = round(float(np.std(defined, ddof=1)) / len(defined) ** 0.5, 4)
            row["undefined"], row["published"] = len(values) - len(defined), published_at(SPACE.name, name, size)
            rows.append(row)
    return sorted(rows, key=lambda row: [*OURS].index(row["predictor"]))


def facts_of(drawn: Sample) -> dict[str, Any]:
    """Return the number of different cells, and of architectures by vertices on paths."""
    vertices = Counter(cell.partition(" ")[0].count("/") + 1 for _, cell, _ in drawn)
    return {"cells": len({cell for _, cell, _ in drawn}), "vertices": dict(sorted(vertices.items()))}


@click.command(cls=Command)
@click.argument("columns", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=TRIALS,
    show_default=True,
    help="Draws of test and training architectures.",
)
@click.option("--draws", default=DRAWS, show_default=True, help="Random matrices that are drawn once.")
@click.option(
    "--only", multiple=True, type=click.Choice([*OURS]), help="Fit this predictor alone; may be repeated. Default: all."
)
def main(columns: Path, folder: Path, trials: int, draws: int, only: tuple[str, ...]) -> None:
    """Fit six predictors on NAS-Bench-101 to architectures that are drawn and encoded in several ways.

    \b
    table      cells of the table, uniformly
    drawn      random matrices of seven vertices whose cell is in the table; no cell twice in a trial
    published  the 500 random matrices with published scores, with their published accuracies
    unpruned   one-hot encoding or tokens of the whole matrix, also of what lies on no path from input to output
    percent    accuracies in percent, instead of standardised by those of the fit
    published model
               the published initial weights and penalty of perceptrons, and precisions of the linear regression

    COLUMNS is the folder of the column files nasbench101.json.gz and published_scores_nbsuite_zero.json.gz. FOLDER
    receives the table, the random matrices, the taus of each trial, and predictor_sampling.json with mean taus beside
    published ones; with --only, the names of these files end in the predictors. The same command continues after a
    stop, and one with more --trials adds trials.
    """  # noqa: D301 - click's mark of a paragraph with its own lines
    folder.mkdir(parents=True, exist_ok=True)
    samples, pool = read_samples(columns, folder, draws)
    suffix = "".join(f"_{name}" for name in sorted(set(only)))
    path, most = folder / f"taus{suffix}.json", TEST + SIZES[-1]
    done = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if done and [*done[0]["table"]] != [name for name in OURS if name in only or not only]:
        raise InputError(f"{path} must have trials of the predictors that --only names, got {[*done[0]['table']]}")
    for trial in range(trials):
        drawn = {
            name: draw(sample, most, python_rng(SEED + trial, name), name == "published")
            for name, sample in samples.items()
        }
        if trial >= len(done):
            done.append({name: fit_trial(way, drawn[way.sample], trial, only) for name, way in WAYS.items()})
            write_output(path, json.dumps(done) + "\n")
        if trial == 0:
            facts = {name: facts_of(one) for name, one in drawn.items()}
        record = {
            "command": shlex.join(["python", "experiments/predictor_sampling.py", *sys.argv[1:]]),
            "versions": {**versions(), **fit_versions()},
            "seed": SEED,
            "trials": trial + 1,
            "test": TEST,
            "random_matrices": pool,
            "first_trial": facts,
            "rows": summary(done[: trial + 1]),
        }
        write_output(folder / f"predictor_sampling{suffix}.json", json.dumps(record, separators=(",", ":")) + "\n")
        click.echo(f"trial {trial + 1} of {trials}")


if __name__ == "__main__":
    main()
