"""Predictors whose hyper-parameters are the best of a random search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.predictors.protocol import Prediction, Predictor
from eznas.predictors.ranges import draw_settings
from eznas.ranking import correlate
from eznas.seeds import numpy_rng, python_rng
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.ranges import Range

_FOLDS = 3
FEWEST = 10
"""Fewest architectures for a search."""


class TunedPredictor(Predictor):
    """Chooses among settings by cross-validation, then fits with the best ones to all architectures.

    The first draw is the default settings. The score of a draw is the mean of Kendall's tau over three folds. The seed
    of the fit draws the folds, which are the same for all draws. A draw has no score if tau is undefined in a fold, or
    if the fit fails there. Of equal scores, the first one is the best. The defaults are used if no draw has a score.
    They are used without a search if there are fewer than 10 architectures, if two folds have fewer architectures than
    the predictor needs, if there is no range, or if there is a single draw.

    Args:
        name: The name in messages.
        make: Makes the predictor from settings.
        ranges: The range of each hyper-parameter.
        draws: Number of draws, with that of the defaults.
        no_search: Settings of the predictor of this name that turn its search off; None where it has none of its own.

    Attributes:
        settings: The settings of the last fit.

    Raises:
        InputError: There is no draw.
    """

    settings: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        make: Callable[[Mapping[str, Any]], Predictor],
        ranges: Mapping[str, Range],
        draws: int,
        no_search: Mapping[str, Any] | None = None,
    ) -> None:
        if draws < 1:
            raise InputError(f"draws must be 1 or more, got {draws}", parameters=("draws",))
        self._name, self._make, self._ranges, self._draws = name, make, ranges, draws
        self._no_search = no_search or {}
        self._plain = make({})
        self.needs, self.in_unit = self._plain.needs, self._plain.in_unit
        self.scores_read = self._plain.scores_read

    def __repr__(self) -> str:
        return f"<predictor {self._name}, the best of {self._draws} settings>"

    @property
    def refit_settings(self) -> dict[str, Any]:
        """Settings with which the predictor of this name makes the last fit again without a search."""
        return {**self.settings, **self._no_search}

    def states_deviation(self) -> bool | None:
        """See ``Predictor``."""
        return self._plain.states_deviation()

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.settings = self._best(architectures, accuracies, curves, seed)
        self._predictor = self._make(self.settings)
        if self._predictor.fit(architectures, accuracies, curves, seed) is not Status.OK:
            raise RuntimeError(self._predictor.detail)

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return self._predictor.predict(architectures, curves)

    def _best(
        self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int
    ) -> Mapping[str, Any]:
        count = len(architectures)
        if (
            self._draws == 1
            or not self._ranges
            or count < FEWEST
            or count - math.ceil(count / _FOLDS) < self.needs.labels
        ):
            return {}
        rng = python_rng(seed, "settings")
        candidates = [{}, *(draw_settings(self._ranges, rng) for _ in range(self._draws - 1))]
        folds = np.array_split(numpy_rng(seed, "folds").permutation(count), _FOLDS)

        def score(settings: Mapping[str, Any]) -> float:
            predictor = self._make(settings)
            return float(
                np.mean([self._tau(predictor, architectures, accuracies, curves, seed, fold) for fold in folds])
            )

        scores = [score(settings) for settings in candidates]
        return candidates[int(np.nanargmax(scores))] if np.isfinite(scores).any() else {}

    @staticmethod
    def _tau(
        predictor: Predictor,
        architectures: list[str],
        accuracies: NDArray[np.float64],
        curves: Curves | None,
        seed: int,
        tested: NDArray[np.intp],
    ) -> float:
        """Return tau in one fold; NaN where a fit or a prediction fails, or tau is undefined."""
        fitted = np.setdiff1d(np.arange(len(architectures)), tested)
        parts = [None if curves is None else curves.rows(part) for part in (fitted, tested)]
        predictor.fit([architectures[place] for place in fitted], accuracies[fitted], parts[0], seed)
        predicted = predictor.predict([architectures[place] for place in tested], parts[1]).mean
        if not np.isfinite(predicted).all():
            return math.nan
        return correlate(predicted, accuracies[tested], resamples=0).tau
