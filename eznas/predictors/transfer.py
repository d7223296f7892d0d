"""Transfer: a predictor that was fitted to another data set or space, and a few labels of this one.

Two spaces have the scores of measures in common. ``common_scores`` makes them comparable, so that one predictor on the
encoding ``measures`` reads the architectures of both::

    scores = common_scores(scores_of_nasbench201, scores_of_nasbench101)
    source = make_predictor("extra_trees", encoding="measures", scores=scores)
    source.fit(cells_of_nasbench201, accuracies_of_nasbench201)
    predictor = TransferredPredictor(source, make_predictor("extra_trees", "nasbench101", encoding="graf"))
    predictor.fit(ten_cells_of_nasbench101, their_accuracies)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from eznas.errors import InputError
from eznas.predictors.protocol import Prediction, Predictor
from eznas.seeds import numpy_rng
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.base import Scores


_FOLDS = 3


class TransferredPredictor(Predictor):
    """Predicts ``a s(x) + b + c r(x)``: a line of a fitted source's prediction ``s``, and a predictor of the residuals.

    ``a`` and ``b`` are the least-squares line through the labels; ``a`` is 0 where it would be negative. The line is
    shrunk as if there were one more label. This label lies on the line through the mean whose slope gives predictions
    and labels the same standard deviation. The factor ``c``, from 0 to 1, fits best to the residuals that ``r``
    predicts in three folds; it is 0 where two folds have too few labels for ``r``.

    Args:
        source: A predictor that was fitted, such as to another data set of the same space, and reads no learning
            curves.
        residual: A predictor of this space, which is fitted to the residuals; None for the line alone.

    Raises:
        InputError: The source was not fitted, or reads learning curves.
    """

    def __init__(self, source: Predictor, residual: Predictor | None = None) -> None:
        if source.status is not Status.OK:
            raise InputError(f"source must be fitted, {source!r} was not or its fit failed", parameters=("source",))
        if source.needs.curve:
            raise InputError(f"source must not read learning curves, {source!r} does", parameters=("source",))
        self._source, self._residual = source, residual
        both = [source.needs, *([] if residual is None else [residual.needs])]
        self.needs = replace(
            both[-1],
            labels=max(2, 0 if residual is None else residual.needs.labels),
            scores=any(needs.scores for needs in both),
            features=any(needs.features for needs in both),
            supernet=any(needs.supernet for needs in both),
        )
        self.scores_read = tuple(dict.fromkeys((*source.scores_read, *(residual.scores_read if residual else ()))))

    def __repr__(self) -> str:
        return f"<predictor of {self._source!r} transferred>"

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        known = self._source.predict(architectures).mean
        if not np.isfinite(known).all():
            raise InputError(f"every architecture of a fit must have a prediction of the source, {self._source!r}")
        self._centre, self._shift = float(known.mean()), float(accuracies.mean())
        spread = float(known.std())
        moment = float(((known - known.mean()) * accuracies).sum())
        slope = (moment + spread * float(accuracies.std())) / ((len(known) + 1) * spread**2) if spread else 0.0
        self._slope = max(slope, 0.0)
        if self._residual is not None:
            rest = accuracies - self._line(known)
            self._share = self._explained(self._residual, architectures, rest, curves, seed)
            _fit_part(self._residual, architectures, rest, curves, seed)

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        mean = self._line(self._source.predict(architectures).mean)
        if self._residual is None:
            return Prediction.of(mean)
        rest = self._residual.predict(architectures, curves)
        return Prediction.of(mean + self._share * rest.mean)  # the deviation of the residual alone would be too small

    @staticmethod
    def _explained(
        residual: Predictor, architectures: list[str], rest: NDArray[np.float64], curves: Curves | None, seed: int
    ) -> float:
        """Return the factor of the residual's predictions that fits best outside of its training, from 0 to 1."""
        count = len(rest)
        folds = np.array_split(numpy_rng(seed, "folds").permutation(count), _FOLDS)
        if count - max(map(len, folds)) < residual.needs.labels:
            return 0.0
        predicted = np.zeros(count)
        for fold in folds:
            fitted = np.setdiff1d(np.arange(count), fold)
            parts = [None if curves is None else curves.rows(part.tolist()) for part in (fitted, fold)]
            _fit_part(residual, [architectures[place] for place in fitted], rest[fitted], parts[0], seed)
            predicted[fold] = residual.predict([architectures[place] for place in fold], parts[1]).mean
        square = float((predicted**2).sum())
        return min(max(float((predicted * rest).sum()) / square, 0.0), 1.0) if square > 0 else 0.0

    def _line(self, known: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._slope * (known - self._centre) + self._shift


def _fit_part(
    residual: Predictor, architectures: list[str], rest: NDArray[np.float64], curves: Curves | None, seed: int
) -> None:
    if residual.fit(architectures, rest, curves, seed) is not Status.OK:
        raise ValueError(residual.detail)


def common_scores(*spaces: Scores) -> Scores:
    """Return the scores that all spaces have, each as the normal quantile of its rank within its space.

    The architecture of rank ``r`` among ``n``, from 1 for the lowest score, gets the quantile ``(r - 1/2) / n`` of the
    standard normal distribution; equal scores share their mean rank. Only scores are read, no accuracies.

    Args:
        *spaces: For each space, scores by the name of a measure or program and then by architecture.

    Raises:
        InputError: No score is in all of them, or two of them have an architecture in common.
    """
    names = [name for name in spaces[0] if all(name in scores for scores in spaces)] if spaces else []
    if not names:
        raise InputError("spaces must have a score in common, got none", parameters=("spaces",))
    cells = Counter(cell for scores in spaces for cell in scores[names[0]])
    if twice := [cell for cell, count in cells.items() if count > 1]:
        raise InputError(f"spaces must have no architecture in common, got {twice[0]!r} twice", parameters=("spaces",))
    return {
        name: {cell: value for scores in spaces for cell, value in _quantiles(scores[name]).items()} for name in names
    }


def _quantiles(scores: Mapping[str, float]) -> dict[str, float]:
    finite = {architecture: score for architecture, score in scores.items() if np.isfinite(score)}
    ranks = stats.rankdata([*finite.values()])
    quantiles: Sequence[float] = stats.norm.ppf((ranks - 0.5) / max(len(finite), 1)).tolist()
    return dict(zip(finite, quantiles, strict=True))
