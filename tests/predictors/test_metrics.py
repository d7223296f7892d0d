from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eznas.predictors import Prediction
from eznas.predictors.metrics import evaluate_prediction
from eznas.status import Status

TRUTH = np.array([90.0, 91.0, 92.0, 93.0])


def test_metrics_by_hand() -> None:
    prediction = Prediction.of(np.array([90.5, 90.0, 92.0, 94.0]), np.array([0.1, 1.0, 0.0, 0.6]))
    metrics = evaluate_prediction(prediction, TRUTH)
    assert (metrics.n, metrics.failed) == (4, 0)
    assert metrics.tau == pytest.approx(4 / 6)  # one of six pairs is discordant
    assert metrics.mae == pytest.approx(2.5 / 4)
    assert metrics.rmse == pytest.approx(math.sqrt((0.25 + 1 + 0 + 1) / 4))
    assert metrics.tau_top_half == 1
    assert metrics.coverage_95 == 3 / 4
    assert metrics.coverage_80 == 2 / 4  # errors .5, 1, 0, 1 with deviations .1, 1, 0, .6
    assert metrics.coverage_50 == 1 / 4
    assert math.isnan(metrics.precision_10)
    assert metrics.as_json()["precision_10"] is None


def test_pearson_keeps_its_sign() -> None:
    metrics = evaluate_prediction(Prediction.of(-TRUTH), TRUTH)
    assert metrics.pearson == pytest.approx(-1)
    assert metrics.spearman == pytest.approx(-1)


def test_a_constant_prediction_has_no_tau() -> None:
    metrics = evaluate_prediction(Prediction.of(np.full(4, 91.0)), TRUTH)
    assert math.isnan(metrics.tau)
    assert metrics.mae == 1


def test_rounding_makes_ties() -> None:
    prediction = Prediction.of(np.array([90.01, 90.04, 92.0, 93.0]))
    metrics = evaluate_prediction(prediction, TRUTH)
    assert metrics.tau == metrics.tau_rounded_2 == 1
    assert metrics.tau_rounded_1 == pytest.approx(5 / math.sqrt(6 * 5))


def test_failures_are_counted_and_left_out() -> None:
    prediction = Prediction.of(np.array([90.0, np.nan, 92.0, 93.0]))
    metrics = evaluate_prediction(prediction, TRUTH)
    assert (metrics.n, metrics.failed, metrics.tau) == (3, 1, 1)
    nothing = evaluate_prediction(Prediction.failed(4, Status.EXCEPTION), TRUTH)
    assert (nothing.n, nothing.failed) == (0, 4)
    assert set(nothing.as_json().values()) == {0, 4, None}


def test_scores_that_only_rank_have_no_error() -> None:
    metrics = evaluate_prediction(Prediction.of(1000 * TRUTH, np.ones(4)), TRUTH, in_unit=False)
    assert metrics.tau == 1
    assert all(math.isnan(value) for value in (metrics.mae, metrics.rmse, metrics.tau_rounded_1, metrics.coverage_95))


@given(st.integers(20, 60), st.integers(0, 10_000))
def test_metrics_agree_with_scipy(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, mean = rng.normal(size=n), rng.normal(size=n)
    metrics = evaluate_prediction(Prediction.of(mean), truth)
    assert metrics.tau == pytest.approx(stats.kendalltau(mean, truth).statistic)
    assert metrics.spearman == pytest.approx(stats.spearmanr(mean, truth).statistic)
    assert metrics.pearson == pytest.approx(stats.pearsonr(mean, truth).statistic)
    best = set(np.argsort(-truth)[:10].tolist()) & set(np.argsort(-mean)[:10].tolist())
    assert metrics.precision_10 == pytest.approx(len(best) / 10)
