"""Surrogates: small regressors from the features of an architecture to its fitness."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eznas.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Surrogate(Protocol):
    """Predicts fitness from features; each fit starts from a new object."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Fit to ``n x f`` features and ``n`` finite fitness values."""

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation for ``n x f`` features."""


class Networks:
    """An ensemble of five small neural networks with different initialisations, as in BANANAS."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Fit each network to all data."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        self._shift, scale = float(fitness.mean()), float(fitness.std())
        self._scale = scale or 1.0
        target = (fitness - self._shift) / self._scale
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit is enough for an ensemble
            self._networks = [
                MLPRegressor(
                    hidden_layer_sizes=(20, 20), solver="lbfgs", max_iter=60, random_state=(seed + member) % 2**32
                ).fit(features, target)
                for member in range(5)
            ]

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation over the networks."""
        predictions = np.array([network.predict(features) for network in self._networks])
        return predictions.mean(axis=0) * self._scale + self._shift, predictions.std(axis=0) * self._scale


class Forest:
    """An ensemble of twenty randomised trees."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Grow the trees on all data."""
        from sklearn.ensemble import ExtraTreesRegressor

        self._forest = ExtraTreesRegressor(n_estimators=20, random_state=seed % 2**32).fit(features, fitness)

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation over the trees."""
        rows = features.astype(np.float32)
        predictions = np.array([tree.predict(rows, check_input=False) for tree in self._forest.estimators_])
        return predictions.mean(axis=0), predictions.std(axis=0)


class Ridge:
    """Bayesian linear regression."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:  # noqa: ARG002 - exact
        """Fit to all data."""
        from sklearn.linear_model import BayesianRidge

        self._ridge = BayesianRidge().fit(features, fitness)

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the posterior."""
        mean, deviation = self._ridge.predict(features, return_std=True)
        return mean, deviation


SURROGATES: Registry[type[Surrogate]] = Registry("surrogate", lambda surrogate: surrogate.__name__.lower())
"""Surrogates by the names of their classes in lower case."""

SURROGATES.register(Networks)
SURROGATES.register(Forest)
SURROGATES.register(Ridge)
