"""A user's own regressor as a predictor."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.seeds import derive_seed
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from eznas.predictors.encoded import Regressor
    from eznas.predictors.encodings.base import Scores
    from eznas.spaces import SearchSpace


def from_estimator(
    estimator: Regressor,
    encoding: str,
    space: str | SearchSpace | None = None,
    *,
    scores: Scores | None = None,
    metric: str = "validation_accuracy",
    labels: int = 2,
) -> EncodedPredictor:
    """Make a predictor from a regressor of scikit-learn's interface, such as ``RandomForestRegressor()``.

    Each fit is that of a fresh copy; the seed of ``fit`` sets every ``random_state`` of the copy that is None.

    Args:
        estimator: The unfitted regressor, also a pipeline; see ``eznas.predictors.encoded.Regressor``.
        encoding: Names of encodings between ``+``, such as ``"graf+onehot"``.
        space: The search space, or its name; needed by most encodings.
        scores: Scores by the name of a measure or program and then by architecture, for the encoding ``measures``.
        metric: The metric of learning curves, for the encoding ``curve``.
        labels: Fewest trained architectures for a fit.

    Raises:
        InputError: The estimator has no ``fit`` and ``predict``, or the encoding cannot be used.
    """
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise InputError(
            f"an estimator must be an object with the methods fit and predict, got {estimator!r:.80}",
            parameters=("estimator",),
        )
    known = SPACES[space] if isinstance(space, str) else space
    encoder = Encoder(encoding, EncodingInputs(known, scores or {}, metric))
    return EncodedPredictor(type(estimator).__name__, encoder, lambda seed: _fresh(estimator, seed), labels)


def _fresh(estimator: Regressor, seed: int) -> Regressor:
    from sklearn.base import BaseEstimator, clone

    if not isinstance(estimator, BaseEstimator):
        return copy.deepcopy(estimator)
    copied: Any = clone(estimator)
    unset = [
        name for name, value in copied.get_params().items() if name.split("__")[-1] == "random_state" and value is None
    ]
    copied.set_params(**{name: derive_seed(seed, name) % 2**32 for name in unset})
    fresh: Regressor = copied
    return fresh
