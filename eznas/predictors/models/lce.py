"""Learning curve extrapolation: ensembles of parametric curves, sampled around their fit."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from eznas.errors import InputError, UndefinedError
from eznas.predictors.curve_models import CURVE_MODELS, CurveModel
from eznas.predictors.curve_predictor import CurvePredictor
from eznas.predictors.protocol import Prediction
from eznas.predictors.registry import register_curve_predictor
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_DOMHAN = (
    "Domhan, Springenberg, Hutter. Speeding Up Automatic Hyperparameter Optimization of Deep Neural Networks by "
    "Extrapolation of Learning Curves. IJCAI 2015"
)
_POINTS = 4


class _Extrapolation(CurvePredictor):
    """Samples ensembles of curves; the prediction is the mean of the samples at the last epoch of a full training.

    Args:
        final_epoch: That epoch.
        samples: Steps of the sampler.

    Raises:
        InputError: A number is too small.
    """

    def __init__(self, final_epoch: int, samples: int) -> None:
        if final_epoch < 1 or samples < 1:
            raise InputError(
                f"final_epoch and samples must be 1 or more, got {final_epoch} and {samples}",
                parameters=("final_epoch", "samples"),
            )
        self._final, self._samples = final_epoch, samples

    def _from_curves(self, architectures: list[str], epochs: NDArray[np.int64], values: Array) -> Prediction:
        if epochs[-1] > self._final:
            raise InputError(
                f"{self.name} must have curves up to epoch {self._final}, final_epoch, got epoch {epochs[-1]}",
                parameters=("final_epoch", "curves"),
            )
        times = epochs.astype(np.float64)
        moments = [
            self._moments(times, curve / 100, numpy_rng(self._seed, self.name, architecture))
            for architecture, curve in zip(architectures, values, strict=True)
        ]
        mean, deviation = 100 * np.array(moments).T
        return Prediction.of(mean, deviation)

    def _moments(self, epochs: Array, curve: Array, rng: np.random.Generator) -> tuple[float, float]:
        """Return mean and standard deviation at the last epoch, as fractions; NaN where no curve can be fitted."""
        if not np.isfinite(curve).all():
            return np.nan, np.nan
        try:
            drawn = self._sample(epochs, curve, rng)
        except UndefinedError:
            return np.nan, np.nan
        return float(drawn.mean()), float(drawn.std())

    @abc.abstractmethod
    def _sample(self, epochs: Array, curve: Array, rng: np.random.Generator) -> Array:
        """Return samples of the accuracy at the last epoch.

        Raises:
            UndefinedError: No curve can be fitted.
        """


class _Ensemble:
    """Curves with weights and noise, as one vector: the parameters of each curve, the weights, the noise."""

    def __init__(self, models: tuple[CurveModel, ...]) -> None:
        self.models = models
        self._ends = np.cumsum([len(model.start) for model in models]).tolist()
        self.parameters = self._ends[-1]

    def curves(self, state: Array, epochs: Array) -> Array:
        """Return ``... x models x k`` accuracies of each curve."""
        parts = np.split(state[..., : self.parameters], self._ends[:-1], axis=-1)
        return np.stack([model.function(part, epochs) for model, part in zip(self.models, parts, strict=True)], axis=-2)

    def mean(self, state: Array, epochs: Array) -> Array:
        """Return ``... x k`` weighted sums of the curves."""
        weights = state[..., self.parameters : -1]
        return np.asarray(np.einsum("...m,...mk->...k", weights, self.curves(state, epochs)))


def _log_likelihood(errors: Array, variance: Array) -> Array:
    """Return the log-likelihood of ``... x k`` normal errors."""
    terms = -0.5 * errors**2 / variance[..., None] - 0.5 * np.log(2 * np.pi * variance[..., None])
    return np.asarray(np.nan_to_num(terms.sum(axis=-1), nan=-np.inf))


@register_curve_predictor(
    "lce",
    f"{_DOMHAN}; as in White et al. NeurIPS 2021",
    "a weighted sum of four parametric curves, each fitted by maximum likelihood; the weights are equal at first. "
    "Then, 300 Metropolis steps of standard deviation 1e-4 draw samples of all parameters. A step is rejected if the "
    "weighted sum does not rise with the epochs. The prediction is the mean of the samples at the last epoch of a "
    "full training",
    metric="validation_accuracy",
    points=_POINTS,
)
class Lce(_Extrapolation):
    """Metropolis sampling around the fit."""

    _step = 1e-4

    def __init__(self, final_epoch: int = 200, samples: int = 300) -> None:
        super().__init__(final_epoch, samples)

    def _sample(self, epochs: Array, curve: Array, rng: np.random.Generator) -> Array:
        fits = {model: model.fit(epochs, curve) for model in CURVE_MODELS}
        kept = [(model, fit) for model, fit in fits.items() if fit is not None]
        if not kept:
            raise UndefinedError("no curve can be fitted")
        ensemble = _Ensemble(tuple(model for model, _ in kept))
        state = np.concatenate([*(fit for _, fit in kept), np.full(len(kept), 1 / len(kept)), [0.0]])
        state[-1] = np.mean((ensemble.mean(state, epochs) - curve) ** 2) + np.finfo(float).eps
        likelihood = _log_likelihood(ensemble.mean(state, epochs) - curve, state[-1])
        ends = np.array([1.0, epochs[-1] + 1])
        drawn = []
        for _ in range(self._samples):
            drawn.append(state)
            candidate = state + rng.normal(0.0, self._step, len(state))
            chance = rng.uniform()
            if candidate[-1] <= 0:
                continue
            first, last = ensemble.mean(candidate, ends)
            proposed = _log_likelihood(ensemble.mean(candidate, epochs) - curve, candidate[-1])
            if last > first and np.log(chance) < proposed - likelihood:
                state, likelihood = candidate, proposed
        finals: Array = ensemble.mean(np.array(drawn), np.array([float(self._final)]))[:, 0]
        return finals


@register_curve_predictor(
    "lce_m",
    f"{_DOMHAN}; as in Klein, Falkner, Springenberg, Hutter. Learning Curve Prediction with Bayesian Neural Networks. "
    "ICLR 2017",
    "as lce, but the weights start at a non-negative least-squares fit. An ensemble of 50 walkers takes 800 steps; "
    "the samples of the first 500 steps are dropped. Each of the curves must rise and end between 0 and 100 %",
    metric="validation_accuracy",
    points=_POINTS,
)
class LceM(_Extrapolation):
    """Affine-invariant ensemble sampling [Goodman] with a prior for monotone curves.

    References:
        [Goodman] Goodman, Weare. Ensemble Samplers with Affine Invariance. 2010.
    """

    _walkers = 50
    _stretch = 2.0

    def __init__(self, final_epoch: int = 200, samples: int = 800, burn_in: int = 500) -> None:
        super().__init__(final_epoch, samples)
        if not 0 <= burn_in < samples:
            raise InputError(
                f"burn_in must be fewer steps than samples, {samples}, got {burn_in}", parameters=("burn_in", "samples")
            )
        self._burn_in = burn_in

    def _sample(self, epochs: Array, curve: Array, rng: np.random.Generator) -> Array:
        grid = np.linspace(2.0, float(self._final), 50)
        ensemble, start = self._start(epochs, curve, grid)

        def log_posterior(states: Array) -> Array:
            curves = ensemble.curves(states, grid)
            allowed = (np.diff(curves, axis=-1) >= 0).all(axis=(-2, -1))
            allowed &= ((curves[..., -1] >= 0) & (curves[..., -1] <= 1)).all(axis=-1)
            allowed &= (states[..., ensemble.parameters :] >= 0).all(axis=-1)
            errors = ensemble.mean(states, epochs) - curve
            return np.where(allowed, _log_likelihood(errors, states[..., -1] ** 2), -np.inf)

        states = start + 1e-6 * rng.normal(size=(self._walkers, len(start)))
        values = log_posterior(states)
        drawn = []
        half = self._walkers // 2
        for step in range(self._samples):
            for moving, others in ((slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))):
                stretch = ((self._stretch - 1) * rng.uniform(size=half) + 1) ** 2 / self._stretch
                partners = states[others][rng.integers(half, size=half)]
                proposed = partners + stretch[:, None] * (states[moving] - partners)
                new = log_posterior(proposed)
                gain = (len(start) - 1) * np.log(stretch) + new - values[moving]
                accepted = np.isfinite(new) & (np.log(rng.uniform(size=half)) < np.nan_to_num(gain, nan=np.inf))
                states[moving] = np.where(accepted[:, None], proposed, states[moving])
                values[moving] = np.where(accepted, new, values[moving])
            if step >= self._burn_in:
                drawn.append(ensemble.mean(states, np.array([float(self._final)]))[np.isfinite(values), 0])
        finals = np.concatenate(drawn)
        if not len(finals):
            raise UndefinedError("no sample has a rising curve")
        return finals

    def _start(self, epochs: Array, curve: Array, grid: Array) -> tuple[_Ensemble, Array]:
        """Return the curves whose fit rises and ends between 0 and 1, and their fits, weights and noise.

        Raises:
            UndefinedError: There is none.
        """
        kept = []
        for model in CURVE_MODELS:
            fit = model.fit(epochs, curve)
            if fit is None:
                continue
            ahead = model.function(fit, grid)
            if np.isfinite(ahead).all() and (np.diff(ahead) >= 0).all() and 0 <= ahead[-1] <= 1:
                kept.append((model, fit))
        if not kept:
            raise UndefinedError("no fitted curve rises and ends between 0 and 1")
        fitted = np.stack([model.function(fit, epochs) for model, fit in kept], axis=1)
        weights = optimize.nnls(fitted, curve)[0]
        useful = [place for place, weight in enumerate(weights) if weight > 1e-4]  # noqa: PLR2004 - as published
        ensemble = _Ensemble(tuple(kept[place][0] for place in useful))
        noise = float(np.std(curve - fitted @ weights)) + 1e-6
        return ensemble, np.concatenate([*(kept[place][1] for place in useful), weights[useful], [noise]])
