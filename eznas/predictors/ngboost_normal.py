"""NGBoost without what it does slowly in each step of a fit: scipy's distribution object, and checks of its trees.

The module needs the package ngboost, and is imported by the predictors of ``boosting`` alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from ngboost import NGBRegressor
from ngboost.distns import Normal
from ngboost.distns.normal import NormalLogScore
from ngboost.scores import LogScore
from scipy import stats
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG_ROOT = math.log(math.sqrt(2 * math.pi))
_SETTINGS = tuple(DecisionTreeRegressor().get_params())


class FastLogScore(NormalLogScore, LogScore):  # type: ignore[misc]
    """The negative log-likelihood, as scipy computes it; ngboost finds it by its last base."""

    def score(self, Y: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803 - ngboost's name
        """Return the score of each of ``n`` labels."""
        deviations = (Y - self.loc) / self.scale
        result: NDArray[np.float64] = -(-(deviations**2) / 2 - _LOG_ROOT - np.log(self.scale))
        return result


class FastNormal(Normal):  # type: ignore[misc]
    """A normal distribution that makes scipy's object only where it is read."""

    scores = (FastLogScore, *(score for score in Normal.scores if not issubclass(score, LogScore)))

    def __init__(self, params: NDArray[np.float64]) -> None:
        super(Normal, self).__init__(params)
        self.loc = params[0]
        self.scale = np.exp(params[1])
        self.var = self.scale**2

    @property
    def dist(self) -> Any:
        """Scipy's distribution."""
        return stats.norm(loc=self.loc, scale=self.scale)


class FirstDraw(np.random.RandomState):
    """A generator that returns the first integer of its seed at every call.

    A new generator for each tree gives the same integer, and takes long to make.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._seed = seed

    def randint(self, low: int, high: int) -> int:  # type: ignore[override]
        """Return the first integer of the seed from ``low`` to below ``high``."""
        self.seed(self._seed)
        return super().randint(low, high)

    def __reduce__(self) -> tuple[type[FirstDraw], tuple[int]]:  # type: ignore[override]
        return type(self), (self._seed,)


class FastTree(DecisionTreeRegressor):  # type: ignore[misc]
    """A tree that does not check its features; they must be finite in float32."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - nothing is nested
        """Return the settings; scikit-learn reads their names from a signature each time."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def __sklearn_clone__(self) -> FastTree:
        cloned = object.__new__(type(self))
        cloned.__dict__.update(self.__dict__)  # not fitted; the generator returns the same at every call
        return cloned

    def fit(self, X: NDArray[np.float64], y: NDArray[np.float64], sample_weight: Any = None) -> FastTree:  # noqa: N803
        """Fit to ``n x f`` features and ``n`` labels.

        Raises:
            ValueError: A label, which is a gradient of NGBoost, is not finite. With it, NGBoost's search for the length
                of a step would never end.
        """
        if not np.isfinite(y).all():
            raise ValueError(
                "the gradients of ngboost must be finite; give accuracies that differ, or lower learning_rate"
            )
        super().fit(X.astype(np.float32), y, sample_weight, check_input=False)
        return self

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Return the predictions of ``n x f`` features."""
        predicted: NDArray[np.float64] = self.tree_.predict(X.astype(np.float32))[:, 0]
        return predicted


class FastRegressor(NGBRegressor):  # type: ignore[misc]
    """NGBoost with the distribution above, whose trees do not check their settings and features in every step."""

    def fit(self, X: NDArray[np.float64], Y: NDArray[np.float64], *args: Any, **options: Any) -> FastRegressor:  # noqa: N803
        """Fit; see ``NGBRegressor``.

        Raises:
            ValueError: A step reads no architecture, or a feature or a gradient is not finite.
        """
        if self.minibatch_frac * len(X) < 1:
            raise ValueError(
                f"a step must read at least one architecture, got minibatch_frac {self.minibatch_frac:g} of {len(X)}"
            )
        with config_context(assume_finite=True, skip_parameter_validation=True):
            super().fit(X, Y, *args, **options)
        return self

    def pred_param(self, X: NDArray[np.float64], max_iter: int | None = None) -> Any:  # noqa: N803
        """Return the parameters of the distributions, in each prediction and once before a fit.

        Raises:
            ValueError: A feature is not finite in float32, the type that trees read.
        """
        largest = np.abs(X).max(initial=0.0)
        if not largest <= np.finfo(np.float32).max:
            raise ValueError(f"features must be finite in float32, got {largest:g}; leave out such architectures")
        return super().pred_param(X, max_iter)
