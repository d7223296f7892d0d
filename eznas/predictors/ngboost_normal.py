"""NGBoost's normal distribution without scipy's: it makes a distribution object, slowly, in each step of a fit.

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG_ROOT = math.log(math.sqrt(2 * math.pi))


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


class FastRegressor(NGBRegressor):  # type: ignore[misc]
    """NGBoost with the distribution above, whose trees do not check their settings and features in every step."""

    def fit(self, X: NDArray[np.float64], Y: NDArray[np.float64], *args: Any, **options: Any) -> FastRegressor:  # noqa: N803
        """Fit; see ``NGBRegressor``."""
        with config_context(assume_finite=True, skip_parameter_validation=True):
            super().fit(X, Y, *args, **options)
        return self
