"""Metrics of predictions: their error, and how well they rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from eznas.rank_metrics import precision_at_top
from eznas.ranking import correlate
from eznas.status import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.protocol import Prediction

_NORMAL = {50: 0.6744897501960817, 80: 1.2815515655446004, 95: 1.959963984540054}
"""By the percentage of a normal distribution around its mean, the half width in standard deviations."""


@dataclass(frozen=True)
class PredictionMetrics:
    """Metrics over the architectures with a prediction; NaN where a metric is undefined.

    Args:
        n: Number of architectures with a prediction.
        failed: Number of those without one.
        tau: Kendall's tau-b.
        spearman: Spearman's rank correlation.
        pearson: Pearson's correlation, with its sign.
        tau_rounded_1: Tau of the predictions rounded to one decimal; NaN where predictions only rank.
        tau_rounded_2: Tau of the predictions rounded to two decimals; likewise.
        tau_top_half: Tau over the more accurate half of the architectures.
        precision_10: Share of the 10 best predicted architectures that are among the 10 most accurate ones.
        precision_20: The same for 20.
        mae: Mean absolute error; NaN where predictions only rank.
        rmse: Root of the mean squared error; likewise.
        coverage_50: Share of the accuracies inside the predicted normal distribution's central 50 %, which is mean +-
            0.67 standard deviations; NaN without deviations.
        coverage_80: The same for 80 %, +- 1.28 standard deviations.
        coverage_95: The same for 95 %, +- 1.96 standard deviations.
    """

    n: int
    failed: int
    tau: float
    spearman: float
    pearson: float
    tau_rounded_1: float
    tau_rounded_2: float
    tau_top_half: float
    precision_10: float
    precision_20: float
    mae: float
    rmse: float
    coverage_50: float
    coverage_80: float
    coverage_95: float

    def as_json(self) -> dict[str, float | int | None]:
        """Return the metrics by name, with None instead of NaN."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if math.isnan(value) else value for name, value in values.items()}


def evaluate_prediction(
    prediction: Prediction, accuracies: NDArray[np.float64], *, in_unit: bool = True
) -> PredictionMetrics:
    """Compare predictions with accuracies.

    Args:
        prediction: The predictions.
        accuracies: ``n`` finite accuracies.
        in_unit: Whether the predictions have the unit of the accuracies; see ``Predictor.in_unit``.
    """
    ok = np.array([status is Status.OK for status in prediction.statuses], dtype=bool)
    mean, truth = prediction.mean[ok], accuracies[ok]
    whole = correlate(mean, truth, resamples=0)
    top = np.argsort(-truth, kind="stable")[: len(truth) // 2]
    errors = mean - truth if in_unit and len(truth) else np.array([np.nan])
    rounded = [_tau(np.round(mean, digits), truth) if in_unit else math.nan for digits in (1, 2)]
    deviation = prediction.standard_deviation
    covered = dict.fromkeys(_NORMAL, math.nan)
    if deviation is not None and in_unit and len(truth):
        covered = {share: float(np.mean(np.abs(errors) <= width * deviation[ok])) for share, width in _NORMAL.items()}
    return PredictionMetrics(
        n=len(truth),
        failed=int(len(ok) - len(truth)),
        tau=whole.tau,
        spearman=whole.rho,
        pearson=whole.pearson,
        tau_rounded_1=rounded[0],
        tau_rounded_2=rounded[1],
        tau_top_half=_tau(mean[top], truth[top]),
        precision_10=_precision(mean, truth, 10),
        precision_20=_precision(mean, truth, 20),
        mae=float(np.abs(errors).mean()),
        rmse=float(np.sqrt((errors**2).mean())),
        coverage_50=covered[50],
        coverage_80=covered[80],
        coverage_95=covered[95],
    )


def _tau(predictions: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    return correlate(predictions, accuracies, resamples=0).tau


def _precision(predictions: NDArray[np.float64], accuracies: NDArray[np.float64], count: int) -> float:
    """Return the precision among the first ``count``; NaN where there are fewer architectures."""
    if len(predictions) < count:
        return math.nan
    return precision_at_top(predictions, accuracies, share=count / len(predictions))
