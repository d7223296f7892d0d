"""The conformance suite fails for predictors that break the contract."""

# ruff: noqa: ARG002 - the broken ones ignore what they should read
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.predictors import Needs, Prediction, Predictor
from eznas.testing.predictors import PredictorSuite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.predictors import Curves


def _sizes(architectures: Sequence[str]) -> NDArray[np.float64]:
    return np.array([2.0 * a.count("3x3~") + a.count("1x1") - 1.5 * a.count("none") for a in architectures])


class Good(Predictor):
    """Keeps the contract: counts operations."""

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.shift = accuracies.mean() + 1e-6 * len(architectures)

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(self.shift + _sizes(architectures), np.ones(len(architectures)))


class Constant(Good):
    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(np.full(len(architectures), self.shift))


class Unseeded(Good):
    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.shift = np.random.default_rng().normal()


class Accumulating(Good):
    seen = 0

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.seen += len(architectures)
        self.shift = float(self.seen)


class ByTheBatch(Good):
    """Standardises by the architectures of the query, as published code does."""

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        sizes = _sizes(architectures)
        return Prediction.of((sizes - sizes.mean()) / (sizes.std() + 1e-8))


class ByThePlace(Good):
    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(_sizes(architectures) + 0.1 * np.arange(len(architectures)))


class Writing(Good):
    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.shift = 0.0
        assert curves is not None
        curves.values["train_loss"][:] = 0


class Global(Good):
    """Draws from the global state without the base class around it."""

    def predict(self, architectures: Sequence[str], curves: Curves | None = None) -> Prediction:
        np.random.rand()  # noqa: NPY002
        return super().predict(architectures, curves)


class Guessing(Good):
    """Predicts before the fit."""

    def predict(self, architectures: Sequence[str], curves: Curves | None = None) -> Prediction:
        return Prediction.of(_sizes(architectures))


class Short(Good):
    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(_sizes(architectures)[:-1])


class Negative(Good):
    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(_sizes(architectures), -np.ones(len(architectures)))


class Silent(Good):
    """Has a NaN whose status is ok."""

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        good = super()._predict(architectures, curves)
        return Prediction(np.where(good.mean > 0, good.mean, np.nan), None, good.statuses)

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.shift = 0.0


class Curved(Good):
    """Reads curves that it does not ask for, and accepts none."""

    needs = Needs(0, curve="train_loss", epochs=2)

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        assert curves is not None
        return Prediction.of(-curves.values["train_loss"][:, -1])

    def _check_curves(self, curves: Curves | None, count: int, method: str) -> None: ...


class Filling(Curved):
    """Replaces a broken point by a number."""

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        assert curves is not None
        return Prediction.of(np.nan_to_num(-curves.values["train_loss"][:, -1], nan=-1e9))


def suite(predictor: type[Predictor]) -> PredictorSuite:
    class Suite(PredictorSuite):
        def make(self) -> Predictor:
            return predictor()

    return Suite()


@pytest.mark.parametrize(
    ("predictor", "check"),
    [
        (Constant, "test_it_ranks_architectures"),
        (Unseeded, "test_the_same_seed_gives_the_same_predictions"),
        (Accumulating, "test_a_second_fit_forgets_the_first"),
        (ByTheBatch, "test_a_prediction_does_not_depend_on_the_others"),
        (ByThePlace, "test_a_prediction_does_not_depend_on_the_others"),
        (Writing, "test_the_arguments_stay_as_they_are"),
        (Global, "test_global_random_states_stay_as_they_are"),
        (Guessing, "test_missing_labels_are_refused"),
        (Short, "test_the_shapes_are_those_of_the_protocol"),
        (Negative, "test_the_shapes_are_those_of_the_protocol"),
        (Silent, "test_equal_accuracies_are_no_failure"),
        (Curved, "test_missing_curves_are_refused"),
        (Filling, "test_a_broken_curve_costs_itself"),
    ],
)
def test_a_broken_rule_is_noticed(predictor: type[Predictor], check: str) -> None:
    with pytest.raises(AssertionError):
        getattr(suite(predictor), check)()


@pytest.mark.parametrize("check", [name for name in dir(PredictorSuite) if name.startswith("test_")])
def test_a_good_predictor_passes(check: str) -> None:
    getattr(suite(Good), check)()
