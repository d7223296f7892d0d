"""Support vector regression, on encodings and on learning curves (LcSVR)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDS = 3


@register_model(
    "svr",
    "Drucker et al. Support Vector Regression Machines. NeurIPS 1996",
    "support vector regression with an RBF kernel and scikit-learn's defaults, on standardised columns",
)
def svr(seed: int, **settings: Any) -> Any:
    """Make scikit-learn's support vector regression."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    del seed
    return make_pipeline(StandardScaler(), SVR(**settings))


@register_model(
    "lcsvr",
    "Baker, Gupta, Raskar, Naik. Accelerating Neural Architecture Search Using Performance Prediction. 2017",
    "support vector regression (nu-SVR) with an RBF kernel, on standardised statistics of the learning curve. Its "
    "parameters C, nu and gamma are chosen among 1,000 settings, the defaults and 999 random settings, by the highest "
    "cross-validated R2 (coefficient of determination). With encoding=curve+measures, lcsvr also reads scores of the "
    "architecture",
    encoding="curve",
    labels=6,
)
def lcsvr(seed: int, draws: int = 1000) -> Any:
    """Make a nu-SVR with a random search over ``draws`` settings in three folds.

    The first draw is that of scikit-learn's defaults. C and gamma are log-uniform from 1e-5 to 10, nu is uniform from
    .01 to 1.
    """
    return _TunedNuSvr(seed, draws)


class _TunedNuSvr:
    def __init__(self, seed: int, draws: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._draws = draws

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        settings: list[dict[str, float]] = [{}]
        for _ in range(self._draws - 1):
            c, gamma = 10 ** self._rng.uniform(-5, 1, 2)
            settings.append({"C": c, "gamma": gamma, "nu": self._rng.uniform(0.01, 1)})
        folds = np.array_split(self._rng.permutation(len(labels)), _FOLDS)
        errors = np.zeros(self._draws)
        for fold in folds:
            train = np.setdiff1d(np.arange(len(labels)), fold)
            fitted, tested = _standardised(rows[train], rows[fold])
            spread = float(np.sum((labels[fold] - labels[fold].mean()) ** 2)) or 1.0
            for place, setting in enumerate(settings):
                predicted = _fit(setting, fitted, labels[train]).predict(tested)
                errors[place] += float(np.sum((predicted - labels[fold]) ** 2)) / spread  # 1 - R2
        self.setting = settings[int(np.argmin(errors))]
        self._rows = rows
        self._machine = _fit(self.setting, _standardised(rows, rows)[0], labels)

    def predict(self, rows: NDArray[np.float64]) -> Any:
        return self._machine.predict(_standardised(self._rows, rows)[1])


def _standardised(
    rows: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both with the columns of the first standardised."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(rows)
    return scaler.transform(rows), scaler.transform(others)


def _fit(setting: dict[str, float], rows: NDArray[np.float64], labels: NDArray[np.float64]) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import NuSVR

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return NuSVR(**setting).fit(rows, labels)
