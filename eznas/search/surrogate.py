"""Surrogates: small regressors that learn from what a search has seen so far."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

from eznas.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SURROGATES", "Forest", "Networks", "Ridge", "Surrogate"]


class Surrogate(Protocol):
    """Anything that predicts fitness from features; made anew for every fit."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Learn from ``n x f`` features and ``n`` finite numbers."""

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation for ``n x f`` features."""


class Networks:
    """An ensemble of five small neural networks, which differ by their initialisation, as in BANANAS."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Fit every network on all that is known."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        self._shift, scale = float(fitness.mean()), float(fitness.std())
        self._scale = scale or 1.0
        target = (fitness - self._shift) / self._scale
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a rough fit is what an ensemble is made of
            self._networks = [
                MLPRegressor(
                    hidden_layer_sizes=(20, 20), solver="lbfgs", max_iter=60, random_state=(seed + member) % 2**32
                ).fit(features, target)
                for member in range(5)
            ]

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation over the networks."""
        said = np.array([network.predict(features) for network in self._networks])
        return said.mean(axis=0) * self._scale + self._shift, said.std(axis=0) * self._scale


class Forest:
    """An ensemble of twenty randomised trees."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:
        """Grow the trees on all that is known."""
        from sklearn.ensemble import ExtraTreesRegressor

        self._forest = ExtraTreesRegressor(n_estimators=20, random_state=seed % 2**32).fit(features, fitness)

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation over the trees."""
        rows = features.astype(np.float32)
        said = np.array([tree.predict(rows, check_input=False) for tree in self._forest.estimators_])
        return said.mean(axis=0), said.std(axis=0)


class Ridge:
    """Bayesian linear regression."""

    def fit(self, features: NDArray[np.float64], fitness: NDArray[np.float64], seed: int) -> None:  # noqa: ARG002 - exact
        """Fit on all that is known."""
        from sklearn.linear_model import BayesianRidge

        self._ridge = BayesianRidge().fit(features, fitness)

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the posterior."""
        mean, deviation = self._ridge.predict(features, return_std=True)
        return mean, deviation


_NAMES: dict[type[Surrogate], str] = {Networks: "networks", Forest: "forest", Ridge: "ridge"}

SURROGATES: Registry[type[Surrogate]] = Registry("surrogate", lambda one: _NAMES.get(one, one.__name__.lower()))
"""Surrogates by name; one of your own is registered under its class's name in lower case."""

for _one in _NAMES:
    SURROGATES.register(_one)
