"""Predictors of one data set or space on another: the line by hand, and what transfer brings."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from eznas.errors import InputError
from eznas.predictors import TransferredPredictor, common_scores, from_estimator, make_predictor
from eznas.predictors.protocol import Needs, Prediction, Predictor
from eznas.spaces import SPACES
from eznas.status import Status
from eznas.testing.predictors import PredictorSuite

if TYPE_CHECKING:
    from eznas.predictors import Curves

SPACE = SPACES["nasbench201"]
_RNG = random.Random(0)
CELLS = [*dict.fromkeys(SPACE.sample(_RNG) for _ in range(60))]
CONVOLUTIONS = np.array([cell.count("nor_conv") for cell in CELLS], dtype=np.float64)


class Known(Predictor):
    """Predicts given numbers."""

    needs = Needs(0)

    def __init__(self, values: dict[str, float]) -> None:
        self._values = values

    def _fit(self, *_: Any) -> None:
        pass

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        del curves
        return Prediction.of(np.array([self._values[one] for one in architectures]))


def known(*values: float) -> Known:
    source = Known(dict(zip(CELLS, values, strict=False)))
    source.fit([], [])
    return source


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([10.0, 14.0], [10.0, 14.0, 20.0]),  # the line through both, 2 s + 10
        ([14.0, 10.0], [12.0, 12.0, 12.0]),  # a negative slope is none
        ([12.0, 12.0], [12.0, 12.0, 12.0]),
    ],
)
def test_the_line_by_hand(accuracies: list[float], expected: list[float]) -> None:
    predictor = TransferredPredictor(known(0.0, 2.0, 5.0))
    assert predictor.fit(CELLS[:2], accuracies) is Status.OK
    assert predictor.predict(CELLS[:3]).mean == pytest.approx(expected)


def test_the_line_is_shrunk_by_one_label() -> None:
    """Around the means: s is -1, 0, 1 with variance 2/3, y is -1, 2, -1 with variance 2; their products add to 0."""
    predictor = TransferredPredictor(known(0.0, 1.0, 2.0))
    predictor.fit(CELLS[:3], [4.0, 7.0, 4.0])
    slope = np.sqrt(2 / 3) * np.sqrt(2) / (4 * 2 / 3)
    assert predictor.predict(CELLS[:3]).mean == pytest.approx([5 - slope, 5, 5 + slope])


def test_residuals_are_what_the_line_leaves() -> None:
    """The source predicts the same for all; the accuracies are linear in the columns of the other predictor."""
    residual = from_estimator(LinearRegression(), "onehot", "nasbench201")
    predictor = TransferredPredictor(known(*[3.0] * 60), residual)
    predictor.fit(CELLS[:50], CONVOLUTIONS[:50])
    assert predictor.predict(CELLS[50:]).mean == pytest.approx(CONVOLUTIONS[50:], abs=1e-6)


def test_residuals_that_cannot_be_predicted_have_no_share() -> None:
    """The source is right, and the residuals are noise, which 30 columns fit to 40 labels."""
    accuracies = CONVOLUTIONS + np.random.default_rng(0).normal(size=60) / 10
    errors = []
    for residual in (from_estimator(LinearRegression(), "onehot", "nasbench201"), None):
        predictor = TransferredPredictor(known(*CONVOLUTIONS), residual)
        predictor.fit(CELLS[:40], accuracies[:40])
        errors.append(float(np.abs(predictor.predict(CELLS[40:]).mean - CONVOLUTIONS[40:]).max()))
    assert max(errors) < 0.15


def test_a_failed_residual_is_a_failed_fit() -> None:
    class Failing(Known):
        def _fit(self, *_: Any) -> None:
            raise ValueError("no fit")

    predictor = TransferredPredictor(known(*range(9)), Failing({}))
    assert predictor.fit(CELLS[:5], range(5)) is Status.EXCEPTION
    assert "no fit" in predictor.detail


def test_the_source_must_be_fitted() -> None:
    with pytest.raises(InputError, match="source must be fitted"):
        TransferredPredictor(make_predictor("gp", "nasbench201"))


def test_scores_of_spaces_become_comparable() -> None:
    common = common_scores(
        {"synflow": {"a": 1e9, "b": 3.0, "c": 5.0}, "params": {"a": 1.0}},
        {"synflow": {"d": -1.0, "e": float("nan"), "f": 2.0, "g": 2.0}},
    )
    assert [*common] == ["synflow"]
    quantiles = {"a": 5 / 6, "b": 1 / 6, "c": 1 / 2, "d": 1 / 6, "f": 2 / 3, "g": 2 / 3}
    assert {cell: float(stats.norm.cdf(value)) for cell, value in common["synflow"].items()} == pytest.approx(quantiles)
    with pytest.raises(InputError, match="score in common"):
        common_scores({"synflow": {"a": 1.0}}, {"params": {"b": 1.0}})
    with pytest.raises(InputError, match="got 'a' twice"):
        common_scores({"synflow": {"a": 1.0, "b": 2.0}}, {"synflow": {"a": 3.0}})


def test_one_space_teaches_another() -> None:
    """Both rank by the number of convolutions, and their scores have different scales."""
    other = SPACES["nasbench101"]
    rng = random.Random(1)
    cells = [*dict.fromkeys(other.sample(rng) for _ in range(40))]
    truth = np.array([cell.count("conv3x3") for cell in cells], dtype=np.float64)
    scores = common_scores(
        {"count": dict(zip(CELLS, 1e6 * CONVOLUTIONS + 5, strict=True))},
        {"count": dict(zip(cells, truth, strict=True))},
    )
    source = make_predictor("bayesian_ridge", encoding="measures", scores=scores)
    source.fit(CELLS, CONVOLUTIONS)
    predictor = TransferredPredictor(source)
    predictor.fit(cells[:3], truth[:3])
    assert predictor.needs.scores
    assert predictor.scores_read == ("count",)
    assert stats.kendalltau(predictor.predict(cells).mean, truth).statistic > 0.99


class TestTransferredPredictor(PredictorSuite):
    def make(self) -> Predictor:
        source = make_predictor("bayesian_ridge", "nasbench201")
        source.fit(CELLS, CONVOLUTIONS)
        return TransferredPredictor(source, make_predictor("bayesian_ridge", "nasbench201"))
