"""Bayesian linear regression with fixed and with fitted precisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.encoded import Regressor


@register_model(
    "bayesian_linear_regression",
    "Bishop. Pattern Recognition and Machine Learning. 2006, 3.3; settings of White et al. NeurIPS 2021",
    "weights with a normal prior of precision 1 and noise of precision 100, in closed form",
)
def bayesian_linear_regression(seed: int, alpha: float = 1.0, beta: float = 100.0) -> Regressor:
    """Make a regression with precision ``alpha`` of the weights and ``beta`` of the noise."""
    del seed
    return _FixedPrecisions(alpha, beta)


@register_model(
    "bayesian_ridge",
    "MacKay. Bayesian Interpolation. 1992",
    "as bayesian_linear_regression on standardised columns, with both precisions fitted to the evidence",
)
def bayesian_ridge(seed: int, **settings: Any) -> Regressor:
    """Make scikit-learn's evidence-maximising regression."""
    del seed
    return _Standardised(settings)


class _FixedPrecisions:
    def __init__(self, alpha: float, beta: float) -> None:
        self._alpha, self._beta = alpha, beta

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        design = self._design(rows)
        precision = self._alpha * np.eye(design.shape[1]) + self._beta * design.T @ design
        self._covariance = np.linalg.inv(precision)
        self._weights = self._beta * self._covariance @ design.T @ labels

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        design = self._design(rows)
        mean = design @ self._weights
        if not return_std:
            return mean
        variance = 1 / self._beta + np.einsum("nf,fg,ng->n", design, self._covariance, design)
        return mean, np.sqrt(variance)

    def _design(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the columns and one of ones."""
        return np.hstack([rows, np.ones((len(rows), 1))])


class _Standardised:
    def __init__(self, settings: dict[str, Any]) -> None:
        from sklearn.linear_model import BayesianRidge
        from sklearn.preprocessing import StandardScaler

        self._scaler, self._ridge = StandardScaler(), BayesianRidge(**settings)

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        self._ridge.fit(self._scaler.fit_transform(rows), labels)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        return self._ridge.predict(self._scaler.transform(rows), return_std=return_std)
