"""Figures that others published or that a table gives, reproduced under their protocols."""

from __future__ import annotations

import ast
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eznas.predictors import make_predictor
from eznas.ranking import correlate
from eznas.spaces.nasbench201 import from_operations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Scores = dict[str, dict[str, float]]

COLUMNS = (0, 1, 3, 2, 4, 5)
"""The table's edges 0>1, 0>2, 0>3, 1>2, 1>3, 2>3 in the order of an architecture."""


def scores_of(table: dict[str, Any], architectures: Sequence[str], without: set[str]) -> Scores:
    return {
        name: {one: np.nan if value is None else value for one, value in zip(architectures, column, strict=True)}
        for name, column in table.items()
        if name not in without
    }


def mean_tau(
    name: str,
    encoding: str,
    architectures: Sequence[str],
    accuracies: NDArray[np.float64],
    scores: Scores,
    *,
    train: int,
    test: int,
    trials: int,
) -> float:
    """Return the mean of tau over random disjoint draws."""
    predictor = make_predictor(name, "nasbench201", encoding=encoding, scores=scores)
    taus = []
    for seed in range(trials):
        order = np.random.default_rng(seed).permutation(len(architectures))
        tested, fitted = order[:test], order[test : test + train]
        predictor.fit([architectures[i] for i in fitted], accuracies[fitted], seed=seed)
        mean = predictor.predict([architectures[i] for i in tested]).mean
        taus.append(correlate(mean, accuracies[tested], resamples=0).tau)
    return float(np.mean(taus))


@pytest.mark.skipif(find_spec("xgboost") is None, reason="the optional package xgboost is not installed")
@pytest.mark.parametrize(("train", "published"), [(23, 0.590), (56, 0.707), (135, 0.769), (500, 0.813)])
def test_xgboost_on_adjacency_and_scores(
    real: Callable[[str], Any], shared_data: Path, train: int, published: float
) -> None:
    """NAS-Bench-Suite-Zero: 725 cells, 12 scores, 200 test architectures; within .03 of the mean of five seeds."""
    results = json.loads((shared_data / "nbsuite_zero_xgb.json").read_text(encoding="utf-8"))["results"]
    seeds = [seed[0] for seed in results[f"nasbench201/cifar10/adjacency+zc/{train}"]]
    assert np.mean(seeds) == pytest.approx(published, abs=0.0006)
    operations = real("nasbench201")["ops"]
    table = real("published_scores_nbsuite_zero")["nasbench201"]["cifar10"]
    cells = [
        from_operations([operations[cell[column]] for column in COLUMNS])
        for cell in map(ast.literal_eval, table["arch"])
    ]
    scores = scores_of(table, cells, {"arch", "val_accuracy", "seconds"})
    scored = [place for place, cell in enumerate(cells) if all(np.isfinite(one[cell]) for one in scores.values())]
    assert len(scored) == 723
    tau = mean_tau(
        "xgboost",
        "onehot+measures",
        [cells[place] for place in scored],
        np.array(table["val_accuracy"])[scored],
        scores,
        train=train,
        test=200,
        trials=20,
    )
    assert tau == pytest.approx(published, abs=0.03)


@pytest.mark.parametrize(
    ("name", "encoding", "low", "high"),
    [
        ("random_forest_graf", "graf+measures", 0.79, 0.83),
        ("extra_trees", "graf+measures", 0.80, 0.84),
        ("random_forest", "onehot", 0.57, 0.65),
    ],
)
def test_forests_at_205_architectures(
    real: Callable[[str], Any], name: str, encoding: str, low: float, high: float
) -> None:
    """The 9,445 cells without unreachable edges, 13 published scores, 1,000 test architectures."""
    table, published = real("nasbench201"), real("published_scores_nb201_cifar10")
    accuracy = {
        from_operations([table["ops"][int(cell[column])] for column in COLUMNS]): value
        for cell, value in zip(table["cell"], table["cifar10"]["valid200"], strict=True)
    }
    cells = published["net_str"]
    scores = scores_of(published, cells, {"net", "net_str", "source", "note"})
    values = np.array([accuracy[cell] for cell in cells])
    assert low <= mean_tau(name, encoding, cells, values, scores, train=205, test=1000, trials=3) <= high
