"""Performance predictors from Python."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.benchmarks import load_table
from eznas.benchmarks.reference import dataset_name
from eznas.errors import EznasError, InputError
from eznas.files import write_output
from eznas.predictors import Curves
from eznas.predictors.defaults import default_predictor
from eznas.predictors.evaluation import EvaluationData, EvaluationPlan, PredictorChoice, evaluate_predictors, summarise
from eznas.report.display import open_display
from eznas.scoring import open_executor
from eznas.scoring.plugin import load_plugin
from eznas.search.score_files import read_scores
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.benchmarks import AccuracyTable
    from eznas.predictors.encodings.base import Scores
    from eznas.predictors.evaluation import Row
    from eznas.predictors.sampling import Sampling
    from eznas.progress import Progress
    from eznas.spaces import SearchSpace


@dataclass(frozen=True, eq=False)
class PredictorEvaluation:
    """Trials of predictors; ``pandas.DataFrame`` takes ``rows`` and ``summary``.

    Args:
        facts: The data and the protocol.
        rows: One for each trial, predictor, train size and epoch.
    """

    facts: dict[str, Any]
    rows: list[Row]

    @property
    def summary(self) -> list[Row]:
        """Means and standard deviations over trials."""
        return summarise(self.rows)


def evaluate(
    predictors: str | Sequence[str],
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    scores: Path | str | Sequence[Path | str] = (),
    curves: Mapping[str, str] | None = None,
    supernet: Path | str = "",
    train_sizes: Sequence[int] = (5, 8, 14, 24, 42, 71, 121, 205),
    epochs: Sequence[int] = (),
    trials: int = 20,
    test: int = 200,
    sampling: Sampling = "uniform",
    seed: int = 0,
    workers: int = 0,
    plugin: Path | str | Sequence[Path | str] = (),
    progress: bool | Progress = True,
) -> PredictorEvaluation:
    """Compare predictors on the accuracies of a benchmark.

    In each trial, all predictors are fitted to the same architectures and predict the same others. No two
    architectures of the two parts compute the same function.

    Args:
        predictors: Names in ``PREDICTORS``, each with an encoding after ``@`` where it is not the default.
        benchmark: A name in ``BENCHMARKS``, or a search space with ``table``.
        dataset: Data set of the accuracies; None for the benchmark's first.
        table: Accuracy table to use instead of the benchmark's own.
        target: Column of the table; None for its usual one.
        scores: CSV files of scores, for the encoding ``measures``. Architectures without one of the scores are left
            out.
        curves: The column of the table that is the whole training, such as ``validation_200``, by the metric of the
            learning curve. Architectures without a point are left out.
        supernet: Run directory of a trained supernet, for predictors that read one.
        train_sizes: Numbers of training architectures.
        epochs: Epochs at which learning curves end; empty for whole curves.
        trials: Number of draws.
        test: Number of test architectures.
        sampling: ``"uniform"`` or ``"mutation"``; see ``eznas.predictors.sampling``.
        seed: Seed of all draws.
        workers: Worker processes; 0 for one per core.
        plugin: Python files that register predictors or encodings of your own, one or several.
        progress: Whether to show progress, or the object that is told of it.

    Raises:
        InputError: An argument cannot be used.
    """
    for file in (plugin,) if isinstance(plugin, str | Path) else plugin:
        load_plugin(file)
    names = (predictors,) if isinstance(predictors, str) else predictors
    plan = EvaluationPlan(
        tuple(map(PredictorChoice.parse, names)), tuple(train_sizes), tuple(epochs), trials, test, sampling, seed
    )
    loaded = load_table(benchmark, dataset_name(benchmark, dataset), None if table is None else Path(table), target)
    space = SPACES[loaded.space]
    files = (scores,) if isinstance(scores, str | Path) else scores
    data, left_out = _data(loaded, _scores(files, space), curves or {})
    data = replace(data, supernet=str(supernet))
    with open_display(progress) as display, open_executor(workers) as executor:
        rows = evaluate_predictors(data, plan, executor=executor, progress=display)
    facts = {
        "benchmark": loaded.benchmark,
        "space": loaded.space,
        "target": str(loaded.target),
        "source": loaded.source,
        "architectures": len(data.accuracies),
        "left_out": left_out,
        "predictors": [*map(str, plan.predictors)],
        "train_sizes": [*plan.train_sizes],
        "epochs": [*plan.epochs],
        "trials": trials,
        "test": test,
        "sampling": sampling,
        "seed": seed,
    }
    return PredictorEvaluation(facts, rows)


RANKING_COLUMNS = ("architecture", "mean", "standard_deviation", "status")


@dataclass(frozen=True, eq=False)
class Ranking:
    """Predicted accuracies of architectures, the best first; ``pandas.DataFrame`` takes ``rows``.

    Args:
        facts: The data and the predictor.
        rows: One for each architecture: its ``mean``, ``standard_deviation`` (None where the predictor states none) and
            ``status``. Architectures without a prediction are last.
    """

    facts: dict[str, Any]
    rows: list[Row]

    def to_csv(self, path: Path | str) -> None:
        """Write the rows, with an empty cell where there is no number.

        Raises:
            InputError: The file cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, RANKING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_output(Path(path), text.getvalue())


def rank(
    predictor: str | None = None,
    *,
    architectures: Sequence[str] | None = None,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    scores: Path | str | Sequence[Path | str] = (),
    supernet: Path | str = "",
    seed: int = 0,
    plugin: Path | str | Sequence[Path | str] = (),
) -> Ranking:
    """Fit a predictor to all accuracies of a table and predict other architectures.

    Args:
        predictor: A name in ``PREDICTORS``, with an encoding after ``@`` where it is not the default; None for
            ``eznas.predictors.defaults.default_predictor``.
        architectures: What to predict; None for all architectures of the space that the table does not have.
        benchmark: A name in ``BENCHMARKS``, or a search space with ``table``.
        dataset: Data set of the accuracies; None for the benchmark's first.
        table: Accuracy table to use instead of the benchmark's own, such as one of the networks that you trained.
        target: Column of the table; None for its usual one.
        scores: CSV files of scores, for the encoding ``measures``. The fit leaves architectures without a score out.
        supernet: Run directory of a trained supernet, for predictors that read one.
        seed: Seed of the fit.
        plugin: Python files that register predictors or encodings of your own, one or several.

    Raises:
        InputError: An argument cannot be used, or the predictor needs learning curves.
        EznasError: The fit failed.
    """
    for file in (plugin,) if isinstance(plugin, str | Path) else plugin:
        load_plugin(file)
    loaded = load_table(benchmark, dataset_name(benchmark, dataset), None if table is None else Path(table), target)
    space = SPACES[loaded.space]
    known = _scores((scores,) if isinstance(scores, str | Path) else scores, space)
    data, left_out = _data(loaded, known, {})
    data = replace(data, supernet=str(supernet))
    queried = _others(space, loaded) if architectures is None else [*dict.fromkeys(map(space.parse, architectures))]
    name, encoding = default_predictor(len(data.accuracies), space, known)
    choice = PredictorChoice(name, encoding) if predictor is None else PredictorChoice.parse(predictor)
    model = choice.make(data)
    if model.fit([*data.accuracies], [*data.accuracies.values()], seed=seed) is not Status.OK:
        raise EznasError(f"the fit of {choice} failed: {model.detail}")
    prediction = model.predict(queried)
    deviations = [None] * len(queried) if prediction.standard_deviation is None else prediction.standard_deviation
    rows: list[Row] = [
        {
            "architecture": one,
            "mean": float(mean) if status is Status.OK else None,
            "standard_deviation": None if deviation is None or status is not Status.OK else float(deviation),
            "status": str(status),
        }
        for one, mean, deviation, status in zip(queried, prediction.mean, deviations, prediction.statuses, strict=True)
    ]
    rows.sort(key=lambda row: (row["mean"] is None, -(row["mean"] or 0.0)))
    facts = {
        "space": loaded.space,
        "target": str(loaded.target),
        "source": loaded.source,
        "predictor": str(choice),
        "trained": len(data.accuracies),
        "left_out": left_out,
        "predicted": len(queried),
        "seed": seed,
    }
    return Ranking(facts, rows)


def _others(space: SearchSpace, table: AccuracyTable) -> list[str]:
    listed = space.architectures()
    if listed is None:
        raise InputError(
            f"architectures must be given, since {space.name} has too many to list them", parameters=("architectures",)
        )
    trained = set(table.architectures)
    return [one for one in listed if one not in trained]


def _scores(files: Sequence[Path | str], space: SearchSpace) -> Scores:
    scores: dict[str, Mapping[str, float]] = {}
    for file in files:
        for name, signal in read_scores(Path(file), space).items():
            if name in scores:
                raise InputError(f"{name} must be in one file of scores, it is in several", parameters=("scores",))
            scores[name] = signal.values
    return scores


def _data(table: AccuracyTable, scores: Scores, columns: Mapping[str, str]) -> tuple[EvaluationData, int]:
    """Return the data of the architectures that have every score and point, and the number of the others."""
    read = {metric: table.curve(column) for metric, column in columns.items()}
    grids = {epochs for epochs, _ in read.values()}
    if len(grids) > 1:
        raise InputError(f"all curves must have the same epochs, got {sorted(grids)}", parameters=("curves",))
    complete = np.ones(len(table), dtype=bool)
    for _, values in read.values():
        complete &= np.isfinite(values).all(axis=1)
    for known in scores.values():
        complete &= np.isfinite([known.get(one, np.nan) for one in table.architectures])
    places = np.flatnonzero(complete)
    kept = {table.architectures[place]: float(table.accuracies[place]) for place in places.tolist()}
    curves = None
    if read:
        curves = Curves(grids.pop(), {metric: values[places] for metric, (_, values) in read.items()})
    return EvaluationData(table.space, kept, scores, curves), len(table) - len(kept)
