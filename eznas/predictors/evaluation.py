"""Trials of predictors: fit to architectures of a table, predict others, compare."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.predictors.costs import query_cost, training_cost
from eznas.predictors.metrics import evaluate_prediction
from eznas.predictors.registry import PREDICTORS, make_predictor
from eznas.predictors.sampling import Sampling, draw_trial
from eznas.progress import SILENT
from eznas.scoring.executor import SERIAL
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from eznas.predictors.evaluation_data import EvaluationData, Row
    from eznas.predictors.protocol import Needs, Prediction, Predictor
    from eznas.predictors.trial_csv import TrialCsv
    from eznas.progress import Progress
    from eznas.scoring import Executor


@dataclass(frozen=True)
class PredictorChoice:
    """A predictor and its encoding.

    Args:
        name: A name in ``PREDICTORS``, or ``measure:NAME``.
        encoding: Names of encodings between ``+``; None for the predictor's default.
        tune: Number of settings among which each fit chooses; 0 for the defaults.
    """

    name: str
    encoding: str | None = None
    tune: int = 0

    @classmethod
    def parse(cls, text: str, tune: int = 0) -> PredictorChoice:
        """Read ``NAME`` or ``NAME@ENCODING``, such as ``random_forest@graf+measures``.

        A predictor without ranges of hyper-parameters is not tuned, whatever the number of draws.
        """
        name, _, encoding = text.partition("@")
        ranges = PREDICTORS[name.partition(":")[0]].ranges
        return cls(name, encoding or None, tune if ranges else 0)

    def __str__(self) -> str:
        text = f"{self.name}@{self.encoding}" if self.encoding else self.name
        return f"{text} tuned by {self.tune}" if self.tune else text

    def make(self, data: EvaluationData) -> Predictor:
        """Make the predictor.

        Raises:
            InputError: It does not exist, or lacks data.
        """
        return make_predictor(
            self.name, data.space, encoding=self.encoding, scores=data.scores, supernet=data.supernet, tune=self.tune
        )


@dataclass(frozen=True)
class EvaluationPlan:
    """The trials.

    Args:
        predictors: What is compared.
        train_sizes: Numbers of training architectures.
        epochs: Epochs at which learning curves end; empty for whole curves.
        trials: Number of draws of training and test architectures.
        test: Number of test architectures.
        sampling: How they are drawn; see ``draw_trial``.
        seed: Seed of all draws.

    Raises:
        InputError: A number is too small, or there is no predictor.
    """

    predictors: tuple[PredictorChoice, ...]
    train_sizes: tuple[int, ...]
    epochs: tuple[int, ...] = ()
    trials: int = 20
    test: int = 200
    sampling: Sampling = "uniform"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.predictors:
            raise InputError("at least one predictor must be given", parameters=("predictors",))
        if len({*map(str, self.predictors)}) < len(self.predictors):
            raise InputError("every predictor must be given once", parameters=("predictors",))
        if not self.train_sizes or min(self.train_sizes) < 1:
            raise InputError(f"train_sizes must be 1 or more, got {self.train_sizes}", parameters=("train_sizes",))
        if self.epochs and min(self.epochs) < 1:
            raise InputError(f"epochs must be 1 or more, got {self.epochs}", parameters=("epochs",))
        if self.trials < 1 or self.test < 2:  # noqa: PLR2004 - a pair
            raise InputError(
                f"trials must be 1 or more and test 2 or more, got {self.trials} and {self.test}",
                parameters=("trials", "test"),
            )

    def cells(self, needs: Needs) -> Iterator[tuple[int, int]]:
        """Yield size and epoch of each fit of a predictor; 0 where it does not depend on one.

        Sizes below the predictor's fewest are left out.
        """
        sizes = [size for size in self.train_sizes if size >= needs.labels] if needs.labels else [0]
        for size in sizes:
            for epoch in (self.epochs or (0,)) if needs.curve else (0,):
                yield size, epoch


def evaluate_predictors(
    data: EvaluationData,
    plan: EvaluationPlan,
    *,
    csv: TrialCsv | None = None,
    resume: bool = False,
    executor: Executor = SERIAL,
    progress: Progress = SILENT,
) -> list[Row]:
    """Run the trials; rows are in the order of trials, predictors, sizes and epochs, whatever the number of processes.

    Args:
        data: The table.
        plan: The trials.
        csv: Where to write the rows of each trial as it ends; None for nowhere.
        resume: Whether to keep the trials that ``csv`` holds, instead of refusing a file with content.
        executor: Where trials run.
        progress: Is told of each trial.

    Raises:
        InputError: A predictor does not exist or lacks data, or the table has too few architectures.
    """
    if plan.epochs and not any(choice.make(data).needs.curve for choice in plan.predictors):
        raise InputError(
            "epochs must come with a predictor that reads learning curves, got "
            f"{', '.join(map(str, plan.predictors))}; leave them out",
            parameters=("epochs",),
        )
    count = sum(_checked_cells(data, plan, choice) for choice in plan.predictors)
    done = {} if csv is None else csv.begin(count, resume=resume)
    left = [trial for trial in range(plan.trials) if trial not in done]
    progress.stage("trials", len(left))
    for trial, rows in executor.map(partial(_trial, data, plan), left):
        done[trial] = rows
        if csv is not None:
            csv.add(rows)
        progress.advance()
    if csv is not None:
        csv.rewrite(row for trial in sorted(done) for row in done[trial])
    return [row for trial in range(plan.trials) for row in done[trial]]


def _checked_cells(data: EvaluationData, plan: EvaluationPlan, choice: PredictorChoice) -> int:
    """Return the number of rows of a predictor in a trial.

    Raises:
        InputError: It does not exist or lacks data, or every size is too small.
    """
    predictor = choice.make(data)
    if predictor.needs.curve and data.curves is None:
        raise InputError(
            f"curves must be given: {choice} needs those of {predictor.needs.curve}", parameters=("curves",)
        )
    if predictor.needs.supernet and not data.supernet:
        raise InputError(f"supernet must be given: {choice} evaluates networks with it", parameters=("supernet",))
    cells = len([*plan.cells(predictor.needs)])
    if not cells:
        raise InputError(
            f"train_sizes must reach {predictor.needs.labels}, the fewest for {choice}, got {plan.train_sizes}",
            parameters=("train_sizes",),
        )
    return cells


def _trial(data: EvaluationData, plan: EvaluationPlan, trial: int) -> list[Row]:
    most = max(plan.train_sizes)
    train, test = draw_trial(SPACES[data.space], data.accuracies, most, plan.test, plan.sampling, plan.seed + trial)
    rows = []
    for choice in plan.predictors:
        for size, epoch in plan.cells(choice.make(data).needs):
            rows.append(
                {"predictor": str(choice), "train_size": size, "epochs": epoch, "trial": trial}
                # A new predictor has an empty cache of encodings, so that its seconds do not depend on the order.
                | _fit_and_compare(choice.make(data), data, (train[:size], test), epoch, plan.seed + trial)
            )
    return rows


def _fit_and_compare(
    predictor: Predictor, data: EvaluationData, parts: tuple[Sequence[str], Sequence[str]], epoch: int, seed: int
) -> Row:
    (accuracies, curves), (truth, queried) = (data.of(part) for part in parts)
    if epoch and curves is not None and queried is not None:
        curves, queried = curves.until(epoch), queried.until(epoch)
    begin = time.perf_counter()
    status = predictor.fit(parts[0], accuracies, curves, seed=seed)
    fitted = time.perf_counter()
    prediction: Prediction = predictor.predict(parts[1], queried)
    predicted = (time.perf_counter() - fitted) / len(parts[1])
    trained = training_cost(predictor, data, parts[0])
    begun = query_cost(predictor, data, parts[1], queried.epochs if queried is not None else ())
    metrics = evaluate_prediction(prediction, truth, in_unit=predictor.in_unit)
    if status is Status.OK and metrics.n and math.isnan(metrics.tau):
        status = Status.CONSTANT
    return {
        "status": str(status),
        "detail": predictor.detail,
        **metrics.as_json(),
        "fit_seconds": fitted - begin,
        "predict_seconds": predicted,
        "initialisation_seconds": None if trained is None else trained + fitted - begin,
        "query_seconds": None if begun is None else begun + predicted,
    }


_GROUP = ("predictor", "train_size", "epochs")
_NO_METRIC = (*_GROUP, "trial", "status", "detail", "n", "failed")


def summarise(rows: Sequence[Row]) -> list[Row]:
    """Return, for each predictor, size and epoch, the mean and standard deviation of each metric over trials.

    A metric is averaged over the trials in which it is defined; ``undefined`` counts the trials without tau, and
    ``failed`` the predictions without a value.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in _GROUP), []).append(row)
    return [
        dict(zip(_GROUP, key, strict=True))
        | {
            "trials": len(members),
            "undefined": sum(row["tau"] is None for row in members),
            "failed": sum(row["failed"] for row in members),
        }
        | {
            name: value
            for metric in members[0]
            if metric not in _NO_METRIC
            for name, value in _moments(members, metric)
        }
        for key, members in groups.items()
    ]


def _moments(rows: Sequence[Row], metric: str) -> list[tuple[str, float | None]]:
    values = [row[metric] for row in rows if row[metric] is not None]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return [(metric, float(np.mean(values)) if values else None), (f"{metric}_sd", spread)]
