"""BOHAMIANN: a Bayesian neural network, sampled by scale-adapted stochastic gradient Hamiltonian Monte Carlo.

References:
    [Springenberg] Springenberg, Klein, Falkner, Hutter. Bayesian Optimization with Robust Bayesian Neural Networks.
        NeurIPS 2016.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.registry import register_model
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from eznas.predictors.encoded import Regressor

_TINY = 1e-16
_FIRST_VARIANCE = 1e-3


@register_model(
    "bohamiann",
    "Springenberg, Klein, Falkner, Hutter. Bayesian Optimization with Robust Bayesian Neural Networks. NeurIPS 2016; "
    "settings of White et al. NeurIPS 2021",
    "a network of 3 layers with 50 tanh units each. The weights have a standard normal prior, and the variance of the "
    "noise is learned. The weights are sampled by stochastic gradient Hamiltonian Monte Carlo with adaptive steps: "
    "100 steps of size 0.01 on batches of 20. The samples of the first 10 steps are dropped; of the later samples, "
    "every fifth is kept",
)
def bohamiann(seed: int, **settings: Any) -> Regressor:
    """Make a Bayesian network; for the settings, see ``BayesianNetwork``."""
    return BayesianNetwork(seed, **settings)


def adaptive_sghmc(
    parameters: Sequence[Tensor],
    potential: Callable[[], Tensor],
    *,
    steps: int,
    burn_in: int,
    keep_every: int,
    step_size: float,
    friction: float,
    generator: torch.Generator,
) -> list[list[Tensor]]:
    """Draw samples from the density ``exp(-U)`` of parameters, eq. 8 to 10 of [Springenberg].

    With the step size ``e^2``, the friction ``a`` and ``V`` a running mean of the squared gradient, which is adapted
    during the burn-in, a step is::

        v += -e^2 V^(-1/2) grad U - a v + normal(0, 2 e^2 a V^(-1/2) - e^4)
        x += v

    Args:
        parameters: Leaf tensors that require gradients; they are changed.
        potential: Returns ``U`` at the parameters, or an unbiased estimate of it from a minibatch.
        steps: Number of steps, with those of the burn-in.
        burn_in: Number of first steps.
        keep_every: Steps from one kept sample to the next.
        step_size: ``e^2``.
        friction: ``a``.
        generator: Draws the noise.

    Returns:
        The kept samples, each a copy of all parameters.
    """
    import torch

    window, mean, square, speed = (
        [start(parameter) for parameter in parameters]
        for start in (torch.ones_like, torch.ones_like, torch.ones_like, torch.zeros_like)
    )
    kept = []
    for step in range(steps):
        gradients = torch.autograd.grad(potential(), parameters)
        with torch.no_grad():
            for place, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
                if step < burn_in:
                    share = 1 / (window[place] + 1)
                    window[place] += 1 - window[place] * mean[place] ** 2 / (square[place] + _TINY)
                    mean[place] += share * (gradient - mean[place])
                    square[place] += share * (gradient**2 - square[place])
                scale = 1 / (square[place].sqrt() + _TINY)
                variance = (2 * step_size * friction * scale - step_size**2).clamp_min(_TINY)
                noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype) * variance.sqrt()
                speed[place] += noise - step_size * scale * gradient - friction * speed[place]
                parameter.add_(speed[place])
        if step >= burn_in and (step - burn_in) % keep_every == keep_every - 1:
            kept.append([parameter.detach().clone() for parameter in parameters])
    return kept


class BayesianNetwork:
    """A perceptron with tanh whose weights are sampled; the mean and the spread of the samples predict.

    The potential is ``n`` times the mean over a batch of the normal negative log-likelihood, plus half of the sum of
    the squared weights. The log variance of the noise is a parameter without a prior.

    Args:
        seed: Seed of the first weights, the batches and the noise.
        width: Units of each of the three hidden layers.
        steps: Steps of the sampler.
        burn_in: Those that are not kept.
        keep_every: Steps from one kept sample to the next.
        step_size: See ``adaptive_sghmc``.
        friction: See ``adaptive_sghmc``.
        batch: Architectures of a batch.
    """

    def __init__(
        self,
        seed: int,
        *,
        width: int = 50,
        steps: int = 100,
        burn_in: int = 10,
        keep_every: int = 5,
        step_size: float = 0.01,
        friction: float = 0.05,
        batch: int = 20,
    ) -> None:
        self._seed, self._width, self._batch = seed, width, batch
        self._steps, self._burn_in, self._keep_every = steps, burn_in, keep_every
        self._step_size, self._friction = step_size, friction

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Sample networks given ``n x f`` features and ``n`` labels."""
        import torch

        x, y = torch.tensor(rows), torch.tensor(labels)
        generator = torch_generator(self._seed, "sghmc")
        parameters = self._first(x.shape[1], generator)
        batches = _batches(len(x), self._batch, generator)

        def potential() -> Tensor:
            chosen = next(batches)
            *weights, log_variance = parameters
            errors = (y[chosen] - _outputs(weights, x[chosen])) ** 2
            misfit = 0.5 * (errors / (log_variance.exp() + _TINY) + log_variance).mean()
            return len(x) * misfit + 0.5 * torch.stack([(weight**2).sum() for weight in weights]).sum()

        self.samples = adaptive_sghmc(
            parameters,
            potential,
            steps=self._steps,
            burn_in=self._burn_in,
            keep_every=self._keep_every,
            step_size=self._step_size,
            friction=self._friction,
            generator=generator,
        )

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return the mean of the samples' outputs; with ``return_std`` also the root of their total variance."""
        import torch

        x = torch.tensor(rows)
        outputs = np.array([_outputs(weights, x).numpy() for *weights, _ in self.samples])
        if not return_std:
            return outputs.mean(axis=0)
        noise = np.mean([math.exp(float(log_variance)) for *_, log_variance in self.samples])
        return outputs.mean(axis=0), np.sqrt(outputs.var(axis=0) + noise)

    def _first(self, features: int, generator: torch.Generator) -> list[Tensor]:
        """Return weights of variance 1 / inputs and biases of 0, layer by layer, and the log variance of the noise."""
        import torch

        parameters = []
        for inputs, outputs in [(features, self._width), *[(self._width, self._width)] * 2, (self._width, 1)]:
            drawn = torch.randn((inputs, outputs), generator=generator, dtype=torch.float64)
            parameters += [drawn / math.sqrt(inputs), torch.zeros(outputs, dtype=torch.float64)]
        parameters.append(torch.tensor(math.log(_FIRST_VARIANCE), dtype=torch.float64))
        return [parameter.requires_grad_() for parameter in parameters]


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the places of batches without end, in a new order in each epoch."""
    import torch

    while True:
        yield from torch.split(torch.randperm(count, generator=generator), size)


def _outputs(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return the network's ``n`` outputs."""
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for weight, bias in layers[:-1]:
        x = (x @ weight + bias).tanh()
    weight, bias = layers[-1]
    return (x @ weight + bias)[:, 0]
