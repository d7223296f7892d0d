"""Predictors that regress accuracies on an encoding, with any regressor of scikit-learn's interface.

Subclasses give their regressors something else than rows of numbers; see ``eznas.predictors.structured``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from eznas.errors import InputError
from eznas.predictors.protocol import Needs, Prediction, Predictor
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.encoder import Encoder


class Regressor(Protocol):
    """The part of scikit-learn's interface that predictors use.

    A regressor states its uncertainty in one of three ways: its ``predict`` takes ``return_std``; it has a method
    ``pred_dist`` as NGBoost's have; or it is a forest or bagging of scikit-learn, whose members are compared.
    """

    def fit(self, X: Any, y: NDArray[np.float64]) -> Any:  # noqa: N803 - scikit-learn's names
        """Fit to ``n x f`` features, or to the graphs or sequences of ``n`` architectures, and ``n`` labels."""

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return ``n`` predictions."""


class EncodedPredictor(Predictor):
    """Encodes architectures, standardises accuracies by those of the fit, and fits a regressor.

    Attributes:
        draws_unlabelled: Whether a fit draws architectures without accuracies from the space.

    Args:
        name: The name in messages.
        encoder: The encoding.
        regressor: Makes an unfitted regressor from a seed.
        labels: Fewest trained architectures for a fit.

    Raises:
        InputError: The predictor cannot read the encoding.
    """

    draws_unlabelled: ClassVar[bool] = False

    def __init__(self, name: str, encoder: Encoder, regressor: Callable[[int], Regressor], labels: int = 2) -> None:
        self._check(name, encoder)
        self.name = name
        self.encoder = encoder
        self._make = regressor
        self.needs = Needs(
            labels,
            curve=encoder.metric,
            epochs=encoder.points,
            scores=encoder.reads("scores"),
            features=encoder.reads("features"),
            unlabelled=self.draws_unlabelled,
        )
        self.scores_read = encoder.scores

    def __repr__(self) -> str:
        return f"<predictor {self.name} on {self.encoder.text}>"

    def states_deviation(self) -> bool:
        """See ``Predictor``."""
        return has_deviation(self._make(0))

    def _check(self, name: str, encoder: Encoder) -> None:
        """Check that the predictor can read the encoding.

        Raises:
            InputError: It cannot.
        """
        if encoder.graph is not None:
            raise InputError(
                f"{name} reads rows of numbers, and {encoder.graph.name} is a graph; choose another encoding, such as "
                "graf or onehot",
                parameters=("encoding",),
            )

    def _inputs(self, architectures: list[str], rows: NDArray[np.float64]) -> Any:
        """Return the features that the regressor reads, from ``n`` architectures and their ``n x f`` rows."""
        del architectures
        return rows

    def _training_inputs(self, architectures: list[str], rows: NDArray[np.float64], seed: int) -> Any:
        """Return the features that the regressor is fitted to."""
        del seed
        return self._inputs(architectures, rows)

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        self.encoder.learn(architectures)
        rows = self.encoder.rows(architectures, curves)
        incomplete = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(incomplete):
            place = int(incomplete[0])
            column = self.encoder.columns[int(np.flatnonzero(~np.isfinite(rows[place]))[0])]
            raise InputError(
                f"every architecture of a fit must have a finite value of {column}, {architectures[place]} has none; "
                f"leave out the {len(incomplete)} architectures without one, or this column"
            )
        self._shift, scale = float(accuracies.mean()), float(accuracies.std())
        self._scale = scale or 1.0
        self.regressor = self._make(derive_seed(seed, "fit") % 2**32)
        self.regressor.fit(self._training_inputs(architectures, rows, seed), (accuracies - self._shift) / self._scale)

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        rows = self.encoder.rows(architectures, curves)
        complete = np.isfinite(rows).all(axis=1)
        mean = np.full(len(rows), np.nan)
        deviation: NDArray[np.float64] | None = None
        if complete.any():
            listed = [architectures[place] for place in np.flatnonzero(complete)]
            means, deviations = mean_and_deviation(self.regressor, self._inputs(listed, rows[complete]))
            mean[complete] = means * self._scale + self._shift
            if deviations is not None:
                deviation = np.full(len(rows), np.nan)
                deviation[complete] = deviations * self._scale
        return Prediction.of(mean, deviation)


def has_deviation(regressor: Regressor) -> bool:
    """Return whether a regressor, fitted or not, states standard deviations; see ``Regressor``."""
    from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor

    return (
        "return_std" in inspect.signature(regressor.predict).parameters
        or hasattr(regressor, "pred_dist")
        or isinstance(regressor, (BaggingRegressor, RandomForestRegressor, ExtraTreesRegressor))
    )


def mean_and_deviation(regressor: Regressor, rows: Any) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return a fitted regressor's predictions, and its standard deviations where it states them; see ``Regressor``."""
    if "return_std" in inspect.signature(regressor.predict).parameters:
        mean, deviation = regressor.predict(rows, return_std=True)  # type: ignore[call-arg]
        return np.asarray(mean, dtype=np.float64), np.asarray(deviation, dtype=np.float64)
    mean = np.asarray(regressor.predict(rows), dtype=np.float64).reshape(len(rows))
    if hasattr(regressor, "pred_dist"):
        return mean, np.asarray(regressor.pred_dist(rows).params["scale"], dtype=np.float64)
    from sklearn.ensemble import BaggingRegressor, ExtraTreesRegressor, RandomForestRegressor

    if isinstance(regressor, BaggingRegressor):
        pairs = zip(regressor.estimators_, regressor.estimators_features_, strict=True)
        return mean, np.std([member.predict(rows[:, columns]) for member, columns in pairs], axis=0)
    if isinstance(regressor, (RandomForestRegressor, ExtraTreesRegressor)):
        return mean, np.std([tree.predict(rows) for tree in regressor.estimators_], axis=0)
    return mean, None
