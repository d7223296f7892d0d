"""Regressors as the published code has them, for ``predictor_sampling.py``.

They are those of NASLib, with pybnn: ``naslib/predictors/mlp.py`` and ``pybnn/bayesian_linear_regression.py``. All are
fitted to accuracies in percent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.models.linear import BayesianLinearRegression
from eznas.predictors.models.networks import PerceptronEnsemble
from eznas.predictors.nets.training import seeded_weights
from eznas.seeds import derive_seed, numpy_rng

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import nn

    from eznas.predictors.encoded import Regressor

_WIDTH, _PENALTY = 20, 0.2


class PublishedPerceptrons(PerceptronEnsemble):
    """The perceptrons of ``mlp`` and ``bananas``, with Xavier's initial weights, and the sum of the output weights.

    Biases are 0 at first. The penalty of ``Perceptron`` is on the mean absolute output weight, so it is ``width`` times
    larger here. One seed is ``mlp``, and three are ``bananas``.
    """

    def __init__(self, *seeds: int) -> None:
        super().__init__(*seeds, width=_WIDTH, penalty=_PENALTY * _WIDTH)

    def _build(self, features: int, seed: int) -> nn.Sequential:
        from torch import nn

        network = super()._build(features, seed)
        with seeded_weights(seed, "xavier"):
            for layer in network:
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
        return network


class PublishedLinear:
    """Bayesian linear regression with two fitted precisions.

    Nelder and Mead's method maximises the log evidence plus the prior's two densities over the logarithms of the
    weights' precision and of the noise's variance, from a uniform start. In the evidence, the misfit is a norm, and not
    its square. The fitted variance of the noise is then its precision.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Fit the precisions and the weights to ``n x f`` features and ``n`` labels."""
        from scipy.optimize import minimize

        design = np.hstack([rows, np.ones((len(rows), 1))])
        start = numpy_rng(self._seed, "start").random(2)
        with np.errstate(all="ignore"):
            found = minimize(published_loss, start, (design, labels), method="Nelder-Mead").x
        self._regression = BayesianLinearRegression(*np.exp(found))
        self._regression.fit(rows, labels)

    def predict(self, rows: NDArray[np.float64]) -> Any:
        """Return ``n`` predictions."""
        return self._regression.predict(rows)


def published_loss(logarithms: NDArray[np.float64], design: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Return what pybnn minimises, at the logarithms of the weights' precision and of the noise's variance."""
    from scipy.stats import norm

    alpha, beta = np.exp(logarithms[0]), np.exp(-logarithms[1])
    count, features = design.shape
    precision = beta * design.T @ design + alpha * np.eye(features)
    weights = beta * np.linalg.solve(precision, design.T @ labels)
    evidence = features / 2 * np.log(alpha) + count / 2 * np.log(beta / (2 * np.pi))
    evidence -= beta / 2 * np.linalg.norm(labels - design @ weights) + alpha / 2 * weights @ weights
    evidence -= np.log(np.linalg.det(precision)) / 2
    return float(-evidence - norm.pdf(logarithms).sum())


PUBLISHED_MODELS: dict[str, Callable[[int], Regressor]] = {
    "bayesian_linear_regression": PublishedLinear,
    "mlp": PublishedPerceptrons,
    "bananas": lambda seed: PublishedPerceptrons(*(derive_seed(seed, member) for member in range(3))),
}
"""By predictor, what makes its regressor from a seed."""
