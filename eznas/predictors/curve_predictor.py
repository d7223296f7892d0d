"""Predictors that read the beginning of a learning curve and learn from no other architecture."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from eznas.predictors.protocol import Prediction, Predictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves


class CurvePredictor(Predictor):
    """Predicts each architecture from its own curve; ``fit`` only keeps the seed."""

    name: ClassVar[str]
    _seed = 0

    def __repr__(self) -> str:
        return f"<predictor {self.name}>"

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        del architectures, accuracies, curves
        self._seed = seed

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        assert curves is not None  # noqa: S101 - the needs are checked
        return self._from_curves(architectures, np.array(curves.epochs), curves.values[self.needs.curve])

    @abc.abstractmethod
    def _from_curves(
        self, architectures: list[str], epochs: NDArray[np.int64], values: NDArray[np.float64]
    ) -> Prediction:
        """Predict from ``n x k`` values at ``k`` epochs."""
