"""Seconds that predictions cost, by the training seconds of a table and the seconds of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.predictors.evaluation_data import EvaluationData
    from eznas.predictors.protocol import Predictor


def training_cost(predictor: Predictor, data: EvaluationData, architectures: Sequence[str]) -> float | None:
    """Return the seconds that the data of a fit cost: whole trainings, and scores.

    Returns:
        The sum over the architectures; None where the table or the scores do not state their seconds, or the predictor
        reads a supernet, whose file does not state them.
    """
    if predictor.needs.supernet:
        return None
    return _sum([data.seconds, *_scores(predictor, data)] if predictor.needs.labels else [], architectures)


def query_cost(
    predictor: Predictor, data: EvaluationData, architectures: Sequence[str], epochs: Sequence[int]
) -> float | None:
    """Return the seconds that the data of a prediction cost: the beginning of a training, and scores.

    Every epoch has the same cost: the seconds of the whole training, divided by the last epoch of the table's curves.

    Args:
        predictor: The predictor.
        data: The table.
        architectures: The architectures that are predicted.
        epochs: The epochs of their learning curves; empty without curves.

    Returns:
        The mean over the architectures; None where the table or the scores do not state their seconds.
    """
    scores = _sum(_scores(predictor, data), architectures)
    curves: float | None = 0.0
    if predictor.needs.curve and data.curves is not None:
        whole = _sum([data.seconds], architectures)
        curves = None if whole is None else whole * epochs[-1] / data.curves.epochs[-1]
    return None if scores is None or curves is None else (scores + curves) / len(architectures)


def _scores(predictor: Predictor, data: EvaluationData) -> list[Mapping[str, float]]:
    """Return the seconds of each score that is read; scores that were computed together have the same mapping."""
    read = [data.score_seconds.get(name, {}) for name in predictor.scores_read]
    return [*{id(seconds): seconds for seconds in read}.values()]


def _sum(columns: Sequence[Mapping[str, float]], architectures: Sequence[str]) -> float | None:
    values = [column.get(one) for column in columns for one in architectures]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
