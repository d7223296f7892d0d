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
    "linear regression in closed form; the weights have a normal prior of precision 1, and the noise has precision 100",
)
def bayesian_linear_regression(seed: int, alpha: float = 1.0, beta: float = 100.0) -> Regressor:
    """Make a regression with precision ``alpha`` of the weights and ``beta`` of the noise."""
    del seed
    return BayesianLinearRegression(alpha, beta)


@register_model(
    "bayesian_ridge",
    "MacKay. Bayesian Interpolation. 1992",
    "as bayesian_linear_regression, but on standardised columns, and with the two precisions that maximise the "
    "marginal likelihood",
)
def bayesian_ridge(seed: int, **settings: Any) -> Regressor:
    """Make scikit-learn's evidence-maximising regression."""
    del seed
    return _Standardised(settings)


class BayesianLinearRegression:
    """Linear regression with independent normal priors of the weights, in closed form, eq. 3.50 to 3.59 of [Bishop].

    Args:
        alpha: Precision of the weights' prior.
        beta: Precision of the noise.
        intercept: Whether a column of ones joins the features.

    References:
        [Bishop] Bishop. Pattern Recognition and Machine Learning. 2006.
    """

    def __init__(self, alpha: float, beta: float, *, intercept: bool = True) -> None:
        self._alpha, self._beta, self._intercept = alpha, beta, intercept

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Compute the posterior of the weights given ``n x f`` features and ``n`` labels."""
        design = self._design(rows)
        precision = self._alpha * np.eye(design.shape[1]) + self._beta * design.T @ design
        self._covariance = np.linalg.inv(precision)
        self._weights = self._beta * self._covariance @ design.T @ labels

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return the predictive mean; with ``return_std`` also the standard deviation, with that of the noise."""
        design = self._design(rows)
        mean = design @ self._weights
        if not return_std:
            return mean
        variance = 1 / self._beta + np.einsum("nf,fg,ng->n", design, self._covariance, design)
        return mean, np.sqrt(variance)

    def log_evidence(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
        """Return the log marginal likelihood of ``n`` labels, eq. 3.86 of [Bishop]."""
        design = self._design(rows)
        precision = self._alpha * np.eye(design.shape[1]) + self._beta * design.T @ design
        lower = np.linalg.cholesky(precision)
        weights = self._beta * np.linalg.solve(precision, design.T @ labels)
        misfit = self._beta * np.sum((labels - design @ weights) ** 2) + self._alpha * np.sum(weights**2)
        n, features = design.shape
        logarithms = features * np.log(self._alpha) + n * np.log(self._beta / (2 * np.pi))
        return float(0.5 * (logarithms - misfit) - np.sum(np.log(np.diag(lower))))

    def _design(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.hstack([rows, np.ones((len(rows), 1))]) if self._intercept else rows


class _Standardised:
    def __init__(self, settings: dict[str, Any]) -> None:
        from sklearn.linear_model import BayesianRidge
        from sklearn.preprocessing import StandardScaler

        self._scaler, self._ridge = StandardScaler(), BayesianRidge(**settings)

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        self._ridge.fit(self._scaler.fit_transform(rows), labels)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        return self._ridge.predict(self._scaler.transform(rows), return_std=return_std)
