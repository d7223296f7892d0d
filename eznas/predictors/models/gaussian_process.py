"""Gaussian processes, by scikit-learn."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@register_model(
    "gp",
    "Rasmussen, Williams. Gaussian Processes for Machine Learning. 2006; settings of White et al. NeurIPS 2021",
    "a Gaussian process with an RBF kernel of variance 5 and length scale 10, and noise of variance 1. As published, "
    "these three numbers are not fitted",
)
def gaussian_process(seed: int) -> Any:
    """Make a Gaussian process with the hyper-parameters of White et al., who do not fit them."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    del seed
    return GaussianProcessRegressor(ConstantKernel(5.0) * RBF(10.0), alpha=1.0, optimizer=None)


@register_model(
    "gp_fitted",
    "Rasmussen, Williams. Gaussian Processes for Machine Learning. 2006",
    "a Gaussian process with an RBF kernel and noise, on standardised columns. The variance and the length scale of "
    "the kernel and the variance of the noise maximise the marginal likelihood",
)
def fitted_gaussian_process(seed: int, restarts: int = 1) -> Any:
    """Make a Gaussian process whose hyper-parameters maximise the marginal likelihood."""
    return _Fitted(seed, restarts)


class _Fitted:
    def __init__(self, seed: int, restarts: int) -> None:
        self._seed, self._restarts = seed, restarts

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
        from sklearn.preprocessing import StandardScaler

        self._scaler = StandardScaler().fit(rows)
        start = float(rows.shape[1]) ** 0.5  # about the distance of two architectures
        kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(start, (1e-2 * start, 1e2 * start)) + WhiteKernel(
            0.1, (1e-4, 1e1)
        )
        self.process = GaussianProcessRegressor(kernel, n_restarts_optimizer=self._restarts, random_state=self._seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a hyper-parameter at its bound is no failure
            self.process.fit(self._scaler.transform(rows), labels)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        return self.process.predict(self._scaler.transform(rows), return_std=return_std)
