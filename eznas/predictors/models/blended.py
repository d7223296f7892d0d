"""Two forests: one on scores alone, and one on scores and other columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.models.forests import FOREST_RANGES, extra_trees
from eznas.predictors.registry import PREDICTORS, PredictorInfo, encoding_needs
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.encodings.encoder import Encoder
    from eznas.predictors.protocol import Predictor

_ENCODING, _LABELS = "graf+measures", 2


class BlendedTrees:
    """The mean of extremely randomised trees on some columns and of such trees on all columns.

    Args:
        seed: Seed of all draws.
        chosen: ``f`` booleans, the columns of the first forest.
        **settings: Those of ``extra_trees``, for both forests; leaves may hold one architecture.
    """

    def __init__(self, seed: int, chosen: NDArray[np.bool_], **settings: Any) -> None:
        self._chosen = chosen
        whole = {"min_samples_leaf": 1, **settings}
        self._forests: list[Any] = [extra_trees(derive_seed(seed, part) % 2**32, **whole) for part in ("chosen", "all")]

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Fit both forests to ``n x f`` features and ``n`` labels."""
        for forest, columns in zip(self._forests, self._columns(rows), strict=True):
            forest.fit(columns, labels)

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return ``n`` predictions; with ``return_std`` also the standard deviation over all trees."""
        trees = np.concatenate(
            [
                [tree.predict(columns) for tree in forest.estimators_]
                for forest, columns in zip(self._forests, self._columns(rows), strict=True)
            ]
        )
        return (trees.mean(axis=0), trees.std(axis=0)) if return_std else trees.mean(axis=0)

    def _columns(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        single = rows.astype(np.float32)  # as the trees have it
        return single[:, self._chosen], single


def _blended(encoder: Encoder | None, **settings: Any) -> Predictor:
    assert encoder is not None  # noqa: S101 - make_predictor makes one
    if not encoder.scores or all(part.reads == "scores" for part in encoder.parts):
        raise InputError(
            f"blended_trees reads scores and other columns, got {encoder.text}; choose an encoding such as {_ENCODING}",
            parameters=("encoding",),
        )
    names = {f"measures.{name}" for name in encoder.scores}
    extra_trees(0, **settings)  # unknown settings raise here, not in a fit

    def make(seed: int) -> BlendedTrees:
        chosen = np.array([column in names for column in encoder.columns], dtype=bool)  # a fit chooses words
        return BlendedTrees(seed, chosen, **settings)

    return EncodedPredictor("blended_trees", encoder, make, _LABELS)


PREDICTORS.register(
    PredictorInfo(
        "blended_trees",
        "Geurts, Ernst, Wehenkel. Extremely Randomized Trees. 2006",
        "the mean of two extra_trees predictors. The first one reads scores alone, and the second one scores and "
        "features; a leaf may have a single architecture. With few trained architectures, the first predictor is "
        "better on some spaces, and the second one on others",
        encoding_needs(_ENCODING, _LABELS),
        "training and scores of the architectures, and the fit",
        "the scores and the encoding",
        _blended,
        encoding=_ENCODING,
        ranges=FOREST_RANGES,
    )
)
