"""Encodings that read numbers about an architecture: the space's features, scores, and statistics of curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.predictors.encodings.base import Encoding, EncodingInputs, register_encoding
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves

_CURVE = tuple(f"{statistic}_{part}" for part in ("values", "first", "second") for statistic in ("mean", "deviation"))


@register_encoding
class Graf(Encoding):
    """The features of ``SearchSpace.features``: GRAF for spaces of cells, a space's own for others."""

    name = "graf"
    description = (
        "the features of the search space, which the page Language defines. In spaces of cells, they count the "
        "operations of a cell, and describe the paths through the cell and the degrees of its vertices"
    )
    paper = "Kadlecova et al. Surprisingly Strong Performance Prediction with Neural Graph Features. ICML 2024"
    reads = "features"

    def __init__(self, inputs: EncodingInputs) -> None:
        self._space = inputs.known_space(self.name)
        self._columns = tuple(self._space.features(self._space.sample(python_rng(0, "features"))))
        if not self._columns:
            raise InputError(
                f"the encoding graf needs features, which {self._space.name} does not have; write its method features, "
                "or choose onehot, measures or words"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the features."""
        return self._columns

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the features."""
        del curves
        rows = [[features[column] for column in self._columns] for features in map(self._space.features, architectures)]
        return np.array(rows, dtype=np.float64).reshape(len(architectures), len(self._columns))


@register_encoding
class Measures(Encoding):
    """A column for each measure or program: ``sign(s) * log(1 + |s|)``, which keeps the order of its scores ``s``.

    A score that is missing for one architecture is NaN.
    """

    name = "measures"
    description = "the signed logarithm of each score of measures and programs, `sign(s) * log(1 + |s|)`"
    paper = "Krishnakumar et al. NAS-Bench-Suite-Zero. NeurIPS 2022"
    reads = "scores"

    def __init__(self, inputs: EncodingInputs) -> None:
        if not inputs.scores:
            raise InputError("scores must be given: the encoding measures reads them", parameters=("scores",))
        self._scores = inputs.scores

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the measures and programs."""
        return tuple(self._scores)

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the scores."""
        del curves
        columns = [[scores.get(one, np.nan) for one in architectures] for scores in self._scores.values()]
        raw = np.array(columns, dtype=np.float64).T
        raw[np.isinf(raw)] = np.nan
        return np.sign(raw) * np.log1p(np.abs(raw))


@register_encoding
class CurveStatistics(Encoding):
    """Mean and deviation of the points of a learning curve, and of its first and second differences."""

    name = "curve"
    description = (
        "means and standard deviations of three series: the points of a learning curve, their first differences, and "
        "their second differences"
    )
    paper = "Baker, Gupta, Raskar, Naik. Accelerating Neural Architecture Search Using Performance Prediction. 2017"
    reads = "curves"
    points = 3  # with a second difference

    def __init__(self, inputs: EncodingInputs) -> None:
        self._metric = inputs.metric

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the statistics."""
        return _CURVE

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the statistics; NaN where the curve has no value at a point.

        Raises:
            InputError: There are no curves, or they are too short.
        """
        values = _points(self.name, curves, self._metric, self.points)
        parts = (values, np.diff(values), np.diff(values, n=2))
        rows = np.stack([moment for part in parts for moment in (part.mean(axis=1), part.std(axis=1))], axis=1)
        return rows.reshape(len(architectures), len(_CURVE))


@register_encoding
class CurveEnd(Encoding):
    """The last point of a learning curve."""

    name = "curve_end"
    description = "the last point of a learning curve"
    reads = "curves"
    points = 1

    def __init__(self, inputs: EncodingInputs) -> None:
        self._metric = inputs.metric

    @property
    def columns(self) -> tuple[str, ...]:
        """The metric of the curve."""
        return (self._metric,)

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the last points; NaN where a curve has none.

        Raises:
            InputError: There are no curves.
        """
        del architectures
        return _points(self.name, curves, self._metric, self.points)[:, -1:]


@register_encoding
class EstimationCode(Encoding):
    """The training losses of the first three epochs, in Siamese-NAS those of a short training."""

    name = "estimation_code"
    metric = "train_loss"
    description = "the training losses of the first three epochs"
    paper = "Zhang, Hsieh, Lee, Fan. Siamese-NAS. 2022"
    reads = "curves"
    points = 3

    def __init__(self, inputs: EncodingInputs) -> None:
        """Read nothing: the metric is fixed."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The numbers of the points."""
        return tuple(f"point_{point}" for point in range(1, self.points + 1))

    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return the points; NaN where the curve has no value.

        Raises:
            InputError: There are no curves, or they are too short.
        """
        del architectures
        return _points(self.name, curves, self.metric, self.points)[:, : self.points]


def _points(encoding: str, curves: Curves | None, metric: str, fewest: int) -> NDArray[np.float64]:
    """Return the ``n x k`` points of the curves.

    Raises:
        InputError: There are no curves of the metric, or they are too short.
    """
    if curves is None or metric not in curves.values or len(curves.epochs) < fewest:
        raise InputError(
            f"curves must be given: the encoding {encoding} reads those of {metric} with {fewest} "
            f"{'point' if fewest == 1 else 'points'} or more",
            parameters=("curves",),
        )
    return curves.values[metric]
