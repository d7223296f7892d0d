"""Defects of published code of predictors, each with the test that this code does not have it."""

from __future__ import annotations

import ast
import itertools
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eznas.benchmarks.csv import read_table
from eznas.errors import InputError
from eznas.predictors import Curves, make_predictor
from eznas.predictors.binned import BINS, bin_numbers, quantile_bounds
from eznas.predictors.models.sparse_processes import CollapsedProcess, VariationalProcess
from eznas.predictors.tuned import TunedPredictor
from eznas.spaces import SPACES
from eznas.status import Status

DEFECTS = {
    "a search that minimises score() takes the worst setting where a library changed its sign": (
        "test_tuning.py",
        "test_the_best_tau_is_chosen_whatever_the_sign_of_score",
    ),
    "curves of the test set are standardised by the test set": (
        "test_published_defects.py",
        "test_a_prediction_from_scores_and_a_curve_does_not_depend_on_the_others",
    ),
    "gradients of GCN and BONAS add up over all batches": ("test_nets.py", "test_each_step_has_its_own_gradient"),
    "GCN ignores the tuned width": ("test_nets.py", "test_a_drawn_width_is_the_width_of_the_network"),
    "GCN trains nothing below one batch": ("test_nets.py", "test_three_architectures_are_enough_to_learn_from"),
    "NAO and SemiNAS ignore drawn hyper-parameters": ("test_sequence_nets.py", "test_every_setting_of_nao_is_used"),
    "the kernel of a GP is never fitted": (
        "test_protocol.py",
        "test_a_fitted_process_fits_its_kernel_and_the_published_one_does_not",
    ),
    "sparse GPs do not use their optimiser": ("test_bayesian.py", "test_every_parameter_of_a_sparse_process_climbs"),
    "sparse GPs ignore the number of steps": (
        "test_published_defects.py",
        "test_a_sparse_process_takes_as_many_steps_as_it_is_told",
    ),
    "LightGBM is constant below 14 architectures": ("test_evaluation.py", "test_sizes_below_the_fewest_are_left_out"),
    "Pearson's correlation is an absolute value": ("test_metrics.py", "test_pearson_keeps_its_sign"),
    "signs of measures are flipped by space": ("test_tuning.py", "test_the_sign_of_a_measure_is_that_of_its_record"),
    "a missing score becomes a very low one": (
        "test_protocol.py",
        "test_a_missing_score_is_an_error_of_the_fit_and_a_status_of_the_prediction",
    ),
    "an undefined tau becomes 0": ("test_tuning.py", "test_failures_and_constants_have_no_score"),
    "a failed extrapolation becomes a random number": (
        "test_curves.py",
        "test_a_curve_that_cannot_be_fitted_has_a_status",
    ),
    "a search ends by the clock": ("test_published_defects.py", "test_a_search_does_not_look_at_the_clock"),
    "calls share their default settings": ("test_protocol.py", "test_defaults_are_not_shared"),
    "an ensemble of one draws without spread": ("test_protocol.py", "test_one_member_has_no_spread"),
    "bounds of bins are constants measured on the benchmark": (
        "test_published_defects.py",
        "test_bins_are_those_of_the_fit",
    ),
    "epochs of a long schedule are taken for a short training": (
        "test_published_defects.py",
        "test_a_curve_is_the_beginning_of_one_training",
    ),
}
"""By the defect, the file and the name of the test."""

CELLS = (SPACES["nasbench201"].architectures() or [])[::300]


@pytest.mark.parametrize("defect", [*DEFECTS])
def test_each_defect_has_a_test(defect: str) -> None:
    file, name = DEFECTS[defect]
    tree = ast.parse((Path(__file__).parent / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("bayesian_ridge", "measures+curve_end+onehot"), ("omni_seminas", "tokens+measures+curve_end")],
)
def test_a_prediction_from_scores_and_a_curve_does_not_depend_on_the_others(name: str, encoding: str) -> None:
    rng = np.random.default_rng(0)
    scores = {"synflow": dict(zip(CELLS, rng.normal(50, 9, len(CELLS)).tolist(), strict=True))}
    curves = Curves((1, 2), {"train_loss": rng.random((len(CELLS), 2))})
    settings: dict[str, Any] = {"epochs": 2, "hidden": 4} if name == "omni_seminas" else {}
    predictor = make_predictor(name, "nasbench201", encoding=encoding, scores=scores, metric="train_loss", **settings)
    trained = range(20)
    predictor.fit(CELLS[:20], rng.random(20), curves.rows(trained))
    tested = range(20, len(CELLS))
    together = predictor.predict(CELLS[20:], curves.rows(tested)).mean
    alone = [predictor.predict([CELLS[place]], curves.rows([place])).mean[0] for place in tested]
    assert np.isfinite(together).all()
    assert np.ptp(together) > 0
    assert alone == pytest.approx(together, abs=1e-6)


@pytest.mark.parametrize("process", [CollapsedProcess, VariationalProcess])
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_a_sparse_process_takes_as_many_steps_as_it_is_told(
    process: Any, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eznas.predictors.nets.adam import Adam

    taken = []
    step = Adam.step
    monkeypatch.setattr(Adam, "step", lambda self: taken.append(step(self)))
    rng = np.random.default_rng(0)
    process(steps=steps, inducing=3).fit(rng.normal(size=(8, 2)), rng.normal(size=8))
    assert len(taken) == steps


def test_a_search_does_not_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at a clock takes a day, and each setting is better than the one before: the last of four is chosen."""
    days, taus = itertools.count(), itertools.count()
    monkeypatch.setattr(TunedPredictor, "_tau", staticmethod(lambda *_: float(next(taus))))
    for name in ("time", "perf_counter", "monotonic", "process_time"):
        monkeypatch.setattr(time, name, lambda: 86400.0 * next(days))
    predictor: Any = make_predictor("random_forest", "nasbench201", tune=4, n_estimators=5)
    status = predictor.fit(CELLS, np.random.default_rng(0).random(len(CELLS)))
    monkeypatch.undo()
    assert status is Status.OK
    assert predictor.settings
    assert next(taus) == 4 * 3  # folds


def test_bins_are_those_of_the_fit() -> None:
    values = np.arange(18.0)
    bounds = quantile_bounds(values)
    assert np.bincount(bin_numbers(values[:, None], [bounds])[:, 0])[1:].tolist() == [2] * BINS
    moved = quantile_bounds(1000 * values - 7)
    assert moved == pytest.approx(1000 * bounds - 7)
    assert bin_numbers(np.array([[-1e9], [1e9], [np.nan]]), [bounds])[:, 0].tolist() == [1, BINS, 0]
    assert quantile_bounds(np.array([1.0, 1.0, 1.0])).tolist() == [1.0]


def test_binned_columns_are_tokens_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """And architectures without accuracies have token 0 where a value is unknown."""
    cells = CELLS[:12]
    scores = {"synflow": {cell: float(place) for place, cell in enumerate(cells)}}
    curves = Curves((1,), {"train_loss": np.arange(12.0)[::-1, None]})
    predictor: Any = make_predictor("omni_seminas", "nasbench201", scores=scores, epochs=1, hidden=4)
    seen = []
    monkeypatch.setattr("eznas.predictors.nets.nao.SequenceRegressor.fit", lambda _, inputs, __: seen.append(inputs))
    predictor.fit(cells, np.arange(12.0), curves)
    [inputs] = seen
    assert inputs.vocabulary == 9 + 2 * BINS
    assert inputs.tokens.shape == (12, 35 + 2)
    score, loss = inputs.tokens[:, 35], inputs.tokens[:, 36]
    assert (score[0], score[-1]) == (9, 9 + BINS - 1)
    assert (loss[0], loss[-1]) == (9 + 2 * BINS - 1, 9 + BINS)
    assert np.array_equal(np.sort(score), score)
    assert inputs.unlabelled.shape == (12, 37)
    assert not inputs.unlabelled[:, 35:].any()


@pytest.mark.parametrize("encoding", ["tokens", "measures+tokens", "graph+measures"])
def test_binned_columns_stand_behind_tokens(encoding: str) -> None:
    with pytest.raises(InputError, match="omni_seminas reads tokens and columns"):
        make_predictor("omni_seminas", "nasbench201", encoding=encoding, scores={"synflow": {CELLS[0]: 1.0}})


def test_a_curve_is_the_beginning_of_one_training(tmp_path: Path) -> None:
    """The accuracy of a training of 12 epochs is no point of a curve of 200."""
    path = tmp_path / "table.csv"
    head = "architecture,accuracy,validation_200,validation_12,validation_200@12"
    path.write_text(f"{head}\n{CELLS[0]},90,90,80,60\n{random.Random(0).choice(CELLS[1:])},91,91,81,61\n")
    table = read_table(path, benchmark="nasbench201", space=SPACES["nasbench201"], dataset="cifar10")
    epochs, values = table.curve("validation_200")
    assert epochs == (12, 200)
    assert values.tolist() == [[60, 90], [61, 91]]
