"""Ranking by the beginning of a training: sums of training losses, and early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.predictors.curve_predictor import CurvePredictor
from eznas.predictors.protocol import Prediction
from eznas.predictors.registry import register_curve_predictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RU = "Ru et al. Speedy Performance Estimation for Neural Architecture Search. NeurIPS 2021"
_WHITE = "White et al. How Powerful are Performance Predictors in Neural Architecture Search? NeurIPS 2021"


@register_curve_predictor(
    "sotl",
    _RU,
    "minus the sum of the training losses of all given epochs. Its predictions only rank",
    metric="train_loss",
)
class SumOfTrainingLosses(CurvePredictor):
    """Minus the sum of the training losses of all epochs so far."""

    in_unit = False

    def _from_curves(
        self, architectures: list[str], epochs: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Prediction:
        del architectures
        if not np.array_equal(epochs, np.arange(1, len(epochs) + 1)):
            raise InputError(
                f"sotl must have the training loss of every epoch from 1, got epochs {epochs.tolist()}; "
                "give all epochs, or choose sotl_e",
                parameters=("curves",),
            )
        return Prediction.of(-values.sum(axis=1))


@register_curve_predictor(
    "sotl_e", _RU, "minus the training loss of the last given epoch. Its predictions only rank", metric="train_loss"
)
class LastTrainingLosses(CurvePredictor):
    """Minus the sum of the training losses of the last epochs.

    Args:
        last: Number of these epochs.

    Raises:
        InputError: The number is below 1.
    """

    in_unit = False

    def __init__(self, last: int = 1) -> None:
        if last < 1:
            raise InputError(f"last must be 1 or more epochs, got {last}", parameters=("last",))
        self._last = last

    def _from_curves(
        self, architectures: list[str], epochs: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Prediction:
        del architectures
        if len(epochs) < self._last:
            raise InputError(
                f"sotl_e must have curves of {self._last} epochs or more, got {len(epochs)}; give more, "
                "or a smaller last",
                parameters=("curves", "last"),
            )
        return Prediction.of(-values[:, -self._last :].sum(axis=1))


@register_curve_predictor(
    "early_stopping_accuracy", _WHITE, "the validation accuracy of the last given epoch", metric="validation_accuracy"
)
class EarlyStoppingAccuracy(CurvePredictor):
    """The validation accuracy so far."""

    def _from_curves(
        self, architectures: list[str], epochs: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Prediction:
        del architectures, epochs
        return Prediction.of(values[:, -1].copy())


@register_curve_predictor(
    "early_stopping_loss",
    _WHITE,
    "minus the validation loss of the last given epoch. Its predictions only rank",
    metric="validation_loss",
)
class EarlyStoppingLoss(CurvePredictor):
    """Minus the validation loss so far."""

    in_unit = False

    def _from_curves(
        self, architectures: list[str], epochs: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Prediction:
        del architectures, epochs
        return Prediction.of(-values[:, -1])
