"""DNGO: Bayesian linear regression on the last hidden layer of a trained network.

References:
    [Snoek] Snoek et al. Scalable Bayesian Optimization Using Deep Neural Networks. ICML 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

from eznas.predictors.models.linear import BayesianLinearRegression
from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from eznas.predictors.encoded import Regressor

_MOST = 10.0
"""Bound of the logarithms of both precisions, as published."""


@register_model(
    "dngo",
    "Snoek et al. Scalable Bayesian Optimization Using Deep Neural Networks. ICML 2015; settings of White et al. "
    "NeurIPS 2021",
    "a network of 3 layers with 50 tanh units each, trained by Adam on the squared error for 500 epochs of batches of "
    "10, with learning rate 0.01. A Bayesian linear regression then reads the last hidden layer; its two precisions "
    "maximise the marginal likelihood (published: the mean prediction over 20 sampled pairs of precisions)",
)
def dngo(seed: int, **settings: Any) -> Regressor:
    """Make the network; for the settings, see ``DeepLinearRegression``."""
    return DeepLinearRegression(seed, **settings)


class DeepLinearRegression:
    """Trains a network, then regresses on its last hidden layer.

    Args:
        seed: Seed of the initial weights and of the batches.
        width: Units of each of the three hidden layers.
        epochs: Epochs of training.
        batch: Architectures of a batch; the last batch of an epoch may have fewer.
        learning_rate: Of Adam.
        alpha: Precision of the weights' prior where the search for the evidence's maximum starts.
        beta: Precision of the noise there.
    """

    def __init__(
        self,
        seed: int,
        *,
        width: int = 50,
        epochs: int = 500,
        batch: int = 10,
        learning_rate: float = 0.01,
        alpha: float = 1.0,
        beta: float = 1000.0,
    ) -> None:
        self._seed, self._width = seed, width
        self._epochs, self._batch, self._learning_rate = epochs, batch, learning_rate
        self._start = np.log([alpha, beta])

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Train on ``n x f`` features and ``n`` labels."""
        import torch

        from eznas.predictors.nets.perceptrons import train_perceptrons
        from eznas.predictors.nets.training import Training

        x, y = (torch.tensor(values, dtype=torch.float32) for values in (rows, labels))
        self._network = self._build(x.shape[1])
        training = Training(self._epochs, self._batch, self._learning_rate, cosine=False)
        train_perceptrons([self._network], x, y, training, [self._seed], squared=True)
        basis = self._basis(rows)
        self.precisions = self._evident_precisions(basis, labels)
        self._regression = BayesianLinearRegression(*self.precisions, intercept=False)
        self._regression.fit(basis, labels)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return the predictive mean; with ``return_std`` also the standard deviation."""
        return self._regression.predict(self._basis(rows), return_std)

    def _evident_precisions(self, basis: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
        """Return alpha and beta of the greatest evidence."""

        def loss(logarithms: NDArray[np.float64]) -> float:
            alpha, beta = np.exp(logarithms)
            return -BayesianLinearRegression(alpha, beta, intercept=False).log_evidence(basis, labels)

        best = optimize.minimize(loss, self._start, method="L-BFGS-B", bounds=[(-_MOST, _MOST)] * 2)
        alpha, beta = np.exp(best.x).tolist()
        return alpha, beta

    def _basis(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the last hidden layer, ``n x width``."""
        import torch

        with torch.no_grad():
            hidden = self._network[:-1](torch.tensor(rows, dtype=torch.float32))
        return np.asarray(hidden.numpy(), dtype=np.float64)

    def _build(self, features: int) -> nn.Sequential:
        """Return the network with torch's initialisation, drawn from the seed; torch's own state does not change."""
        from torch import nn

        from eznas.predictors.nets.training import seeded_weights

        with seeded_weights(self._seed, "weights"):
            return nn.Sequential(
                nn.Linear(features, self._width),
                nn.Tanh(),
                nn.Linear(self._width, self._width),
                nn.Tanh(),
                nn.Linear(self._width, self._width),
                nn.Tanh(),
                nn.Linear(self._width, 1),
            )
