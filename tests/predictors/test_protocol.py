"""Needs, failures, a user's own estimators, and curves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eznas.errors import InputError
from eznas.predictors import PREDICTORS, Curves, Prediction, from_estimator, make_predictor
from eznas.spaces import SPACES
from eznas.status import Status
from eznas.testing.predictors import PredictorSuite

if TYPE_CHECKING:
    from eznas.predictors import Predictor

CELLS = list(SPACES["nasbench201"].architectures() or [])[:60]
ACCURACIES = np.array([90.0 + cell.count("3x3~") - cell.count("none") for cell in CELLS])


class TestForest(PredictorSuite):
    def make(self) -> Predictor:
        return from_estimator(RandomForestRegressor(30), encoding="graf+onehot", space="nasbench201")


class TestPipeline(PredictorSuite):
    def make(self) -> Predictor:
        return from_estimator(make_pipeline(StandardScaler(), Ridge()), encoding="onehot", space="nasbench201")


class _Mean:
    """A regressor that is no estimator of scikit-learn."""

    def fit(self, X: Any, y: Any) -> None:  # noqa: N803
        del X
        self.mean = y.mean()

    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.full(len(X), self.mean)


class _Broken(_Mean):
    def fit(self, X: Any, y: Any) -> None:  # noqa: N803
        del X, y
        raise ZeroDivisionError("no pivot")


class _Infinite(_Mean):
    def predict(self, X: Any) -> Any:  # noqa: N803
        return np.where(X[:, 0] > 0, np.inf, 1.0)


def test_accuracies_come_back_in_their_unit() -> None:
    predictor = from_estimator(_Mean(), encoding="onehot", space="nasbench201")
    assert predictor.fit(CELLS, ACCURACIES) is Status.OK
    prediction = predictor.predict(CELLS[:3])
    assert prediction.mean == pytest.approx([ACCURACIES.mean()] * 3)
    assert prediction.standard_deviation is None


def test_a_failed_fit_is_a_status_and_not_a_number() -> None:
    predictor = from_estimator(_Broken(), encoding="onehot", space="nasbench201")
    assert predictor.fit(CELLS, ACCURACIES) is Status.EXCEPTION
    assert predictor.detail == "ZeroDivisionError: no pivot"
    prediction = predictor.predict(CELLS[:2])
    assert prediction.statuses == (Status.EXCEPTION, Status.EXCEPTION)
    assert np.isnan(prediction.mean).all()


def test_an_infinite_prediction_is_a_status() -> None:
    predictor = from_estimator(_Infinite(), encoding="onehot", space="nasbench201")
    predictor.fit(CELLS, ACCURACIES)
    prediction = predictor.predict(CELLS)
    infinite = [cell.startswith("|none") for cell in CELLS]
    assert [status is Status.NON_FINITE for status in prediction.statuses] == infinite
    assert np.isnan(prediction.mean).tolist() == infinite


def test_deviations_are_those_of_the_members() -> None:
    forest = from_estimator(RandomForestRegressor(10), encoding="onehot", space="nasbench201")
    bagging = from_estimator(
        BaggingRegressor(LinearRegression(), n_estimators=5, max_features=0.5), encoding="onehot", space="nasbench201"
    )
    for predictor in (forest, bagging):
        predictor.fit(CELLS, ACCURACIES, seed=2)
        prediction = predictor.predict(CELLS)
        rows = predictor.encoder.rows(CELLS)
        model: Any = predictor.regressor
        columns = getattr(model, "estimators_features_", [slice(None)] * len(model.estimators_))
        members = [m.predict(rows[:, chosen]) for m, chosen in zip(model.estimators_, columns, strict=True)]
        assert prediction.standard_deviation == pytest.approx(np.std(members, axis=0) * ACCURACIES.std())
        assert prediction.mean == pytest.approx(np.mean(members, axis=0) * ACCURACIES.std() + ACCURACIES.mean())


def test_seeds_change_a_users_forest() -> None:
    forest = RandomForestRegressor(5)
    predictor = from_estimator(forest, encoding="onehot", space="nasbench201")
    means = []
    for seed in (0, 1):
        predictor.fit(CELLS, ACCURACIES, seed=seed)
        means.append(predictor.predict(CELLS).mean)
    assert not np.array_equal(*means)
    assert forest.random_state is None
    assert not hasattr(forest, "estimators_")


@pytest.mark.parametrize("estimator", [RandomForestRegressor, object(), "forest"])
def test_an_estimator_must_fit_and_predict(estimator: Any) -> None:
    with pytest.raises(InputError, match="methods fit and predict"):
        from_estimator(estimator, encoding="onehot", space="nasbench201")


def test_a_missing_score_is_an_error_of_the_fit_and_a_status_of_the_prediction() -> None:
    scores = {"synflow": {cell: float(place) for place, cell in enumerate(CELLS[:-1])}}
    predictor = make_predictor("bayesian_ridge", encoding="measures", scores=scores)
    with pytest.raises(InputError, match=r"finite value of measures.synflow, .* has none; leave out the 1"):
        predictor.fit(CELLS, ACCURACIES)
    predictor.fit(CELLS[:-1], ACCURACIES[:-1])
    prediction = predictor.predict(CELLS)
    assert prediction.statuses[:-1] == (Status.OK,) * (len(CELLS) - 1)
    assert prediction.statuses[-1] is Status.NON_FINITE
    assert predictor.needs.scores


@pytest.mark.parametrize(
    ("accuracies", "message"), [([1.0], "one number per architecture"), ([1.0, np.nan], "must be finite")]
)
def test_accuracies_are_checked(accuracies: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_predictor("svr", "nasbench201").fit(CELLS[:2], accuracies)


def test_settings_and_names_are_checked() -> None:
    with pytest.raises(InputError, match="did you mean 'random_forest'"):
        PREDICTORS["random_forrest"]
    with pytest.raises(InputError, match="reads no encoding"):
        make_predictor("sotl", encoding="onehot")
    with pytest.raises(InputError, match="does not have these settings"):
        make_predictor("sotl", depth=3)
    with pytest.raises(InputError, match="does not have these settings"):
        make_predictor("svr", "nasbench201", depth=3)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"needs the package lightgbm; run pip install 'eznas\[lightgbm\]'"):
        make_predictor("lightgbm", "nasbench201")


def test_defaults_are_not_shared() -> None:
    """A setting of one predictor is not a setting of the next."""
    deep: Any = make_predictor("random_forest", "nasbench201", n_estimators=7)
    plain: Any = make_predictor("random_forest", "nasbench201")
    for predictor in (deep, plain):
        predictor.fit(CELLS, ACCURACIES)
    assert (len(deep.regressor.estimators_), len(plain.regressor.estimators_)) == (7, 116)


def test_a_fitted_process_fits_its_kernel_and_the_published_one_does_not() -> None:
    fitted: Any = make_predictor("gp_fitted", "nasbench201")
    fitted.fit(CELLS, ACCURACIES)
    process = fitted.regressor.process
    assert not np.allclose(process.kernel_.theta, process.kernel.theta)
    published: Any = make_predictor("gp", "nasbench201")
    published.fit(CELLS, ACCURACIES)
    assert np.allclose(published.regressor.kernel_.theta, np.log([5, 10]))


def test_the_linear_posterior_is_the_textbooks() -> None:
    """One column x and a column of ones, by the formulas of a normal prior and noise."""
    predictor: Any = make_predictor("bayesian_linear_regression", encoding="measures", scores={"x": {"a": 0, "b": 1}})
    predictor.fit(["a", "b"], [0.0, 2.0])  # standardised: -1 and 1; log(1 + 1) = .693
    design = np.array([[0, 1], [np.log(2), 1]])
    precision = np.eye(2) + 100 * design.T @ design
    weights = np.linalg.solve(precision, 100 * design.T @ np.array([-1, 1]))
    deviation = [np.sqrt(0.01 + row @ np.linalg.solve(precision, row)) for row in design]
    prediction = predictor.predict(["a", "b"])
    assert prediction.mean == pytest.approx(design @ weights + 1)
    assert prediction.standard_deviation == pytest.approx(deviation)


def test_one_member_has_no_spread() -> None:
    with pytest.raises(InputError, match="members of bananas must be 2 or more"):
        make_predictor("bananas", "nasbench201", members=1)


def test_curves_are_checked_and_cut() -> None:
    values = np.arange(12.0).reshape(3, 4)
    curves = Curves((1, 2, 5, 9), {"train_loss": values})
    assert curves.until(6).epochs == (1, 2, 5)
    assert curves.until(6).values["train_loss"].tolist() == values[:, :3].tolist()
    assert curves.rows([2, 0]).values["train_loss"].tolist() == values[[2, 0]].tolist()
    with pytest.raises(InputError, match="epoch 1 or later"):
        curves.until(0)
    with pytest.raises(InputError, match="ascend"):
        Curves((2, 1), {"train_loss": np.zeros((1, 2))})
    with pytest.raises(InputError, match="must be one of"):
        Curves((1,), {"loss": np.zeros((1, 1))})
    with pytest.raises(InputError, match="hold a metric"):
        Curves((1,), {})
    with pytest.raises(InputError, match="2 x 1"):
        Curves((1,), {"train_loss": np.zeros((2, 1)), "validation_loss": np.zeros((1, 1))})


def test_predictions_without_a_value_have_a_status() -> None:
    prediction = Prediction.of(np.array([1.0, np.nan, 2.0]), np.array([0.1, 0.2, np.inf]))
    assert prediction.statuses == (Status.OK, Status.NON_FINITE, Status.NON_FINITE)
    assert np.isnan(prediction.mean).tolist() == [False, True, True]
    assert len(Prediction.failed(2, Status.EXCEPTION)) == 2
