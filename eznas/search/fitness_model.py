"""Models of the fitness: a surrogate on features that grow with the search, or any predictor."""

from __future__ import annotations

import abc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.predictors.encodings.words import GrowingEncoder
from eznas.search.surrogate import SURROGATES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors import Predictor

    Array = NDArray[np.float64]


@dataclass
class ModelCosts:
    """The work of the models of one search.

    Args:
        fits: Number of fits.
        failed: Number of fits that failed.
        predictions: Number of predictions.
        seconds: Seconds of fits and predictions.
    """

    fits: int = 0
    failed: int = 0
    predictions: int = 0
    seconds: float = 0.0


class FitnessModel(abc.ABC):
    """Predicts the fitness of architectures.

    Attributes:
        labels: Fewest observations for a fit.
        costs: The work so far.
    """

    labels = 2

    def __init__(self) -> None:
        self.costs = ModelCosts()

    def fit_predict(
        self, architectures: Sequence[str], fitness: Array, candidates: Sequence[str], seed: int
    ) -> tuple[Array, Array | None] | None:
        """Fit to ``n`` finite values of fitness and predict ``m`` candidates.

        Returns:
            The ``m`` means, NaN for a candidate without a prediction, and the ``m`` standard deviations or None where
            the model states none. None after a failed fit.
        """
        begin = time.perf_counter()
        predicted = self._fit_predict(architectures, fitness, candidates, seed)
        self.costs.seconds += time.perf_counter() - begin
        self.costs.fits += 1
        if predicted is None:
            self.costs.failed += 1
        else:
            self.costs.predictions += len(candidates)
        return predicted

    @abc.abstractmethod
    def _fit_predict(
        self, architectures: Sequence[str], fitness: Array, candidates: Sequence[str], seed: int
    ) -> tuple[Array, Array | None] | None:
        """Fit and predict."""


class SurrogateModel(FitnessModel):
    """A regressor of ``eznas.search.surrogate`` on features of all architectures so far.

    Args:
        surrogate: A name in ``SURROGATES``.
        encoding: A name in ``eznas.predictors.encodings.words.GROWING``.

    Raises:
        InputError: A name is unknown.
    """

    def __init__(self, surrogate: str, encoding: str) -> None:
        super().__init__()
        self._surrogate = SURROGATES[surrogate]
        self._encoder = GrowingEncoder(encoding)

    def _fit_predict(
        self, architectures: Sequence[str], fitness: Array, candidates: Sequence[str], seed: int
    ) -> tuple[Array, Array | None]:
        rows = self._encoder.rows([*architectures, *candidates])
        model = self._surrogate()
        model.fit(rows[: len(architectures)], fitness, seed)
        return model.predict(rows[len(architectures) :])


class PredictorModel(FitnessModel):
    """A predictor, which is fitted again each time.

    Args:
        predictor: One that learns from accuracies and needs no learning curves.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self._predictor = predictor
        self.labels = max(self.labels, predictor.needs.labels)

    def _fit_predict(
        self, architectures: Sequence[str], fitness: Array, candidates: Sequence[str], seed: int
    ) -> tuple[Array, Array | None] | None:
        if self._predictor.fit(architectures, fitness, seed=seed) is not Status.OK:
            return None
        prediction = self._predictor.predict(candidates)
        if not any(status is Status.OK for status in prediction.statuses):
            return None
        return prediction.mean, prediction.standard_deviation
