"""Parametric learning curves, and their fit to the beginning of a training.

References:
    [Domhan] Domhan, Springenberg, Hutter. Speeding Up Automatic Hyperparameter Optimization of Deep Neural Networks by
        Extrapolation of Learning Curves. IJCAI 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_INFINITY = float("inf")
_TINY = 1e-10


@dataclass(frozen=True)
class CurveModel:
    """One family of curves of accuracy, as a fraction, over epochs.

    Args:
        name: Its name in [Domhan].
        function: Maps parameters, ``... x p``, and epochs, ``k``, to ``... x k`` accuracies.
        start: Where the fit starts.
        low: Lower bounds of the parameters.
    """

    name: str
    function: Callable[[Array, Array], Array]
    start: tuple[float, ...]
    low: tuple[float, ...]

    def fit(self, epochs: Array, values: Array) -> Array | None:
        """Return the parameters of maximum likelihood under normal noise, or None where the fit fails."""
        minimize: Any = optimize.minimize  # its stubs know fewer types of bounds
        with np.errstate(all="ignore"):  # the search tries parameters that overflow
            found = minimize(
                self._squares,
                self.start,
                args=(epochs, values),
                method="L-BFGS-B",
                bounds=[(low, None) for low in self.low],
            )
            parameters = np.asarray(found.x, dtype=np.float64)
            return parameters if np.isfinite(self.function(parameters, epochs)).all() else None

    def _squares(self, parameters: Array, epochs: Array, values: Array) -> float:
        squares = float(np.sum((self.function(parameters, epochs) - values) ** 2))
        return squares if np.isfinite(squares) else 1e10


def _columns(parameters: Array) -> list[Array]:
    return [parameters[..., place, None] for place in range(parameters.shape[-1])]


def _log_log_linear(parameters: Array, epochs: Array) -> Array:
    a, b = _columns(parameters)
    return np.log(a * np.log(epochs) + b)


def _log_power(parameters: Array, epochs: Array) -> Array:
    a, b, c = _columns(parameters)
    return a / (1 + (epochs / np.exp(b)) ** c)


def _mmf(parameters: Array, epochs: Array) -> Array:
    alpha, beta, delta, kappa = _columns(parameters)
    return alpha - (alpha - beta) / (1 + (kappa * epochs) ** delta)


def _hill3(parameters: Array, epochs: Array) -> Array:
    top, eta, kappa = _columns(parameters)
    return top * epochs**eta / (kappa**eta + epochs**eta)


CURVE_MODELS = (
    CurveModel("log log linear", _log_log_linear, (1.0, 1.0), (_TINY, _TINY)),
    CurveModel("log power", _log_power, (0.77, 2.98, -0.51), (-_INFINITY,) * 3),
    CurveModel("MMF", _mmf, (0.7, 0.1, 1.0, 0.1), (-_INFINITY, -_INFINITY, _TINY, _TINY)),
    CurveModel("Hill-3", _hill3, (0.6, 0.8, 2.5), (_TINY, _TINY, _TINY)),
)
"""The four curves of LCE: ``log(a log x + b)``, ``a / (1 + (x / e^b)^c)``, ``alpha - (alpha - beta) / (1 + (kappa
x)^delta)`` and ``top x^eta / (kappa^eta + x^eta)``."""
