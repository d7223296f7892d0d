"""Sparse Gaussian processes: Titsias's collapsed bound, and a variational posterior of the inducing values.

References:
    [Titsias] Titsias. Variational Learning of Inducing Variables in Sparse Gaussian Processes. AISTATS 2009.
    [Hensman] Hensman, Fusi, Lawrence. Gaussian Processes for Big Data. UAI 2013.
    [Burt] Burt, Rasmussen, van der Wilk. Convergence of Sparse Variational Inference in Gaussian Processes Regression.
        JMLR 2020.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.registry import register_model

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from eznas.predictors.encoded import Regressor

_JITTER = 1e-6
_SETTINGS = (
    "a Gaussian process with an RBF kernel, noise and 10 inducing points. The kernel starts at variance 5 and length "
    "scale 10, and the noise at variance 1. The points are first placed at training architectures, one after another: "
    "each at the architecture that has the greatest variance, given the points that are placed already. Adam takes "
    "200 steps of size 0.01 on the points, the kernel and the noise"
)


@register_model(
    "sparse_gp",
    "Titsias. Variational Learning of Inducing Variables in Sparse Gaussian Processes. AISTATS 2009; settings of White "
    "et al. NeurIPS 2021",
    f"{_SETTINGS}, to maximise the collapsed bound",
)
def sparse_gaussian_process(seed: int, **settings: Any) -> Regressor:
    """Make a process of the collapsed bound; for the settings, see ``SparseProcess``."""
    del seed
    return CollapsedProcess(**settings)


@register_model(
    "variational_sparse_gp",
    "Hensman, Fusi, Lawrence. Gaussian Processes for Big Data. UAI 2013; settings of White et al. NeurIPS 2021",
    f"{_SETTINGS}, and on the normal posterior of the whitened values at the points, to maximise the evidence lower "
    "bound",
)
def variational_sparse_gaussian_process(seed: int, **settings: Any) -> Regressor:
    """Make a process with a variational posterior; for the settings, see ``SparseProcess``."""
    del seed
    return VariationalProcess(**settings)


@dataclass(frozen=True, eq=False)
class Kernel:
    """``variance exp(-|x - z|^2 / (2 length^2))``, and normal noise.

    Args:
        variance: A number.
        length: The length scale.
        noise: The variance of the noise.
    """

    variance: Tensor
    length: Tensor
    noise: Tensor

    def between(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the ``n x m`` covariances of two sets of points."""
        squares = (x**2).sum(1)[:, None] + (z**2).sum(1) - 2 * x @ z.T
        covariances: Tensor = self.variance * (-0.5 * squares.clamp_min(0) / self.length**2).exp()
        return covariances

    def factor(self, z: Tensor) -> Tensor:
        """Return the Cholesky factor of the ``m x m`` covariances, with a jitter of 1e-6 of the variance."""
        import torch

        jitter = _JITTER * self.variance * torch.eye(len(z), dtype=z.dtype)
        lower: Tensor = torch.linalg.cholesky(self.between(z, z) + jitter)
        return lower


def collapsed_bound(x: Tensor, y: Tensor, z: Tensor, kernel: Kernel) -> Tensor:
    """Return the lower bound of the log marginal likelihood, eq. 9 of [Titsias].

    With ``Q = K_xz K_zz^-1 K_zx`` it is ``log normal(y; 0, Q + noise I) - trace(K_xx - Q) / (2 noise)``.

    Args:
        x: ``n x f`` features.
        y: ``n`` labels.
        z: ``m x f`` inducing points.
        kernel: The kernel and the noise.
    """
    import torch

    scaled = _whitened(kernel, z, x) / kernel.noise.sqrt()
    lower = torch.linalg.cholesky(torch.eye(len(z), dtype=x.dtype) + scaled @ scaled.T)
    solved = torch.linalg.solve_triangular(lower, scaled @ y[:, None], upper=False)[:, 0] / kernel.noise.sqrt()
    quadratic = (y**2).sum() / kernel.noise - (solved**2).sum()
    determinant = len(y) * (2 * math.pi * kernel.noise).log() + 2 * lower.diagonal().log().sum()
    trace = len(y) * kernel.variance / kernel.noise - (scaled**2).sum()
    bound: Tensor = -0.5 * (quadratic + determinant + trace)
    return bound


def evidence_bound(x: Tensor, y: Tensor, z: Tensor, kernel: Kernel, mean: Tensor, root: Tensor) -> Tensor:
    """Return the lower bound of the log marginal likelihood for a posterior of the inducing values [Hensman].

    Args:
        x: ``n x f`` features.
        y: ``n`` labels.
        z: ``m x f`` inducing points.
        kernel: The kernel and the noise.
        mean: The mean of the ``m`` whitened values, which are independent and standard normal before the data.
        root: The ``m x m`` lower triangular root of their covariance.
    """
    centre, variance = _marginals(_whitened(kernel, z, x), kernel, mean, root)
    likelihood = (2 * math.pi * kernel.noise).log() + ((y - centre) ** 2 + variance) / kernel.noise
    divergence = (root**2).sum() + (mean**2).sum() - len(mean) - 2 * root.diagonal().abs().log().sum()
    return -0.5 * (likelihood.sum() + divergence)


def greatest_variances(rows: NDArray[np.float64], count: int, length: float) -> list[int]:
    """Return the places of points, each of the greatest variance given the ones before it [Burt].

    Args:
        rows: ``n x f`` features.
        count: The greatest number of points; there are fewer where fewer rows are distinct.
        length: The length scale of an RBF kernel of variance 1.
    """
    squares = np.sum((rows[:, None] - rows[None]) ** 2, axis=2)
    covariances = np.exp(-0.5 * squares / length**2)
    left = np.ones(len(rows))
    factors = np.zeros((0, len(rows)))
    chosen: list[int] = []
    while len(chosen) < min(count, len(rows)) and left.max() > _JITTER:
        place = int(np.argmax(left))
        chosen.append(place)
        factor = (covariances[place] - factors[:, place] @ factors) / math.sqrt(left[place])
        factors = np.vstack([factors, factor])
        left = left - factor**2
    return chosen


def _whitened(kernel: Kernel, z: Tensor, x: Tensor) -> Tensor:
    """Return ``L^-1 K_zx`` with ``L L^T = K_zz``, ``m x n``."""
    import torch

    solved: Tensor = torch.linalg.solve_triangular(kernel.factor(z), kernel.between(z, x), upper=False)
    return solved


def _marginals(whitened: Tensor, kernel: Kernel, mean: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance, without the noise, at ``n`` points."""
    variance = kernel.variance - (whitened**2).sum(0) + ((root.T @ whitened) ** 2).sum(0)
    return whitened.T @ mean, variance.clamp_min(0)


class SparseProcess(abc.ABC):
    """A Gaussian process with inducing points; all its parameters climb a bound.

    Args:
        inducing: The greatest number of inducing points; there are fewer where fewer training rows are distinct.
        steps: Steps of Adam.
        learning_rate: Its step size, on the logarithms of variance, length scale and noise, and on the points.
        variance: Where the variance of the kernel starts.
        length: Where its length scale starts.
        noise: Where the variance of the noise starts.
    """

    def __init__(
        self,
        *,
        inducing: int = 10,
        steps: int = 200,
        learning_rate: float = 0.01,
        variance: float = 5.0,
        length: float = 10.0,
        noise: float = 1.0,
    ) -> None:
        self._inducing, self._steps, self._learning_rate = inducing, steps, learning_rate
        self._length = length
        self._first = [math.log(value) for value in (variance, length, noise)]

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Climb the bound on ``n x f`` features and ``n`` labels."""
        import torch

        from eznas.predictors.nets.adam import Adam
        from eznas.predictors.nets.training import descend

        x, y = torch.tensor(rows), torch.tensor(labels)
        logarithms = torch.tensor(self._first, dtype=x.dtype, requires_grad=True)
        self._z = x[greatest_variances(rows, self._inducing, self._length)].clone().requires_grad_()
        optimiser = Adam([logarithms, self._z, *self._start(len(self._z))], self._learning_rate)
        descend(optimiser, (-self._bound(x, y, Kernel(*logarithms.exp())) for _ in range(self._steps)))
        with torch.no_grad():
            self.kernel = Kernel(*logarithms.exp())
            self._mean, self._root = self._posterior(x, y)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return the predictive mean; with ``return_std`` also the standard deviation, with that of the noise."""
        import torch

        with torch.no_grad():
            whitened = _whitened(self.kernel, self._z, torch.tensor(rows))
            mean, variance = _marginals(whitened, self.kernel, self._mean, self._root)
            deviation = (variance + self.kernel.noise).sqrt()
        return (mean.numpy(), deviation.numpy()) if return_std else mean.numpy()

    def _start(self, count: int) -> list[Tensor]:
        """Return the parameters that a subclass adds for so many inducing points."""
        del count
        return []

    @abc.abstractmethod
    def _bound(self, x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
        """Return the bound at the present parameters."""

    @abc.abstractmethod
    def _posterior(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and root of the covariance of the whitened inducing values."""


class CollapsedProcess(SparseProcess):
    """The posterior of the inducing values is the best one for the bound, in closed form."""

    def _bound(self, x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
        return collapsed_bound(x, y, self._z, kernel)

    def _posterior(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return best_posterior(x, y, self._z, self.kernel)


class VariationalProcess(SparseProcess):
    """The posterior of the inducing values climbs the bound with the other parameters."""

    def _start(self, count: int) -> list[Tensor]:
        import torch

        self._values = torch.zeros(count, dtype=torch.float64, requires_grad=True)
        self._square = torch.eye(count, dtype=torch.float64, requires_grad=True)
        return [self._values, self._square]

    def _bound(self, x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
        return evidence_bound(x, y, self._z, kernel, self._values, self._square.tril())

    def _posterior(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        del x, y
        return self._values, self._square.tril()


def best_posterior(x: Tensor, y: Tensor, z: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Return mean and root of the covariance of the whitened inducing values for which both bounds are equal.

    The covariance is ``S = (I + A A^T / noise)^-1`` with ``A = L^-1 K_zx``, and the mean is ``S A y / noise``.
    """
    import torch

    whitened = _whitened(kernel, z, x)
    precision = torch.eye(len(z), dtype=x.dtype) + whitened @ whitened.T / kernel.noise
    covariance = torch.linalg.inv(precision)
    return covariance @ (whitened @ y) / kernel.noise, torch.linalg.cholesky(covariance)
