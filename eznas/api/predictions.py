"""Fits of predictors, and rankings of architectures by them, from Python."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.api.predictor_data import read_data, read_signals
from eznas.benchmarks import load_table
from eznas.benchmarks.csv import read_table
from eznas.benchmarks.reference import dataset_name
from eznas.errors import InputError
from eznas.files import write_output
from eznas.predictors import Curves
from eznas.predictors.defaults import default_predictor
from eznas.predictors.evaluation import PredictorChoice
from eznas.predictors.fits import KeptFit, fit_and_keep
from eznas.scoring.plugin import load_plugins
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.api.predictor_data import Files
    from eznas.benchmarks import AccuracyTable
    from eznas.predictors import Predictor
    from eznas.predictors.evaluation_data import EvaluationData, Row
    from eznas.spaces import SearchSpace

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


def predict(
    predictor: str | None = None,
    *,
    architectures: Sequence[str] | None = None,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    scores: Files = (),
    supernet: Path | str | None = None,
    tune: int = 0,
    seed: int = 0,
    plugin: Files = (),
) -> Ranking:
    """Fit a predictor to all accuracies of a table and predict other architectures.

    Args:
        predictor: A name in ``PREDICTORS``, with an encoding after ``@`` where it is not the default; None for
            ``eznas.predictors.defaults.default_predictor``, which chooses by the number of accuracies and the data.
        architectures: What to predict; None for all architectures of the space that the table does not have.
        benchmark: A name in ``BENCHMARKS``, or a search space with ``table``.
        dataset: Data set of the accuracies; None for the benchmark's first.
        table: Accuracy table to use instead of the benchmark's own.
        target: Column of the table; None for its usual one.
        scores: CSV files of scores, for the encoding ``measures``.
        supernet: Run directory of a trained supernet, for predictors that read one.
        tune: Number of settings among which the fit chooses; 0 for the defaults.
        seed: Seed of the fit.
        plugin: Python files that register predictors or encodings of your own, one or several.

    Raises:
        InputError: An argument cannot be used, or the space has too many architectures to list them.
        EznasError: The fit failed.
    """
    load_plugins(plugin)
    loaded = _loaded(benchmark, dataset, table, target)
    data, choice, facts = _data(predictor, loaded, scores=scores, curves={}, epoch=None, supernet=supernet, tune=tune)
    space = SPACES[data.space]
    queried = _others(space, loaded.architectures) if architectures is None else _parsed(space, architectures)
    fitted, _ = fit_and_keep(data, choice, facts["target"], {}, seed)
    return _ranking(fitted, queried, None, {**facts, "seed": seed})


def fit(
    predictor: str | None = None,
    *,
    benchmark: str = "nasbench201",
    dataset: str | None = None,
    table: Path | str | None = None,
    target: str | None = None,
    scores: Files = (),
    curves: Mapping[str, str] | None = None,
    epoch: int | None = None,
    supernet: Path | str | None = None,
    tune: int = 0,
    seed: int = 0,
    plugin: Files = (),
) -> KeptFit:
    """Fit a predictor to all accuracies of a table, and return the fit to keep in a file.

    ``curves`` maps the metric of a learning curve to the column of the table that is the whole training, such as
    ``validation_200``. Learning curves end at ``epoch``; None stands for whole curves. All other arguments are those of
    ``predict``.

    Raises:
        InputError: An argument cannot be used.
        EznasError: The fit failed.
    """
    load_plugins(plugin)
    columns = dict(curves or {})
    given: dict[str, Any] = {"scores": scores, "curves": columns, "epoch": epoch, "supernet": supernet, "tune": tune}
    if epoch is not None and not columns:
        raise InputError(
            f"epoch must come with curves, which end there, got {epoch} and no curves; give curves or leave it out",
            parameters=("epoch", "curves"),
        )
    loaded = _loaded(benchmark, dataset, table, target)
    data, choice, facts = _data(predictor, loaded, **given)
    kept = fit_and_keep(data, choice, facts["target"], columns, seed)[1]
    return replace(kept, left_out=[one for one in loaded.architectures if one not in data.accuracies])


def predict_with(
    fitted: KeptFit | Path | str,
    *,
    architectures: Sequence[str] | None = None,
    table: Path | str | None = None,
    scores: Files = (),
    supernet: Path | str | None = None,
    plugin: Files = (),
) -> Ranking:
    """Predict with a fit that was kept.

    Args:
        fitted: The fit, or its file.
        architectures: What to predict; None for the architectures of ``table``, or else for all of the space that the
            table of the fit does not have.
        table: Table with the learning curves of the architectures, in the columns that the fit read.
        scores: CSV files of their scores.
        supernet: Run directory of the supernet that the fit read.
        plugin: Python files that register predictors or encodings of your own, one or several.

    Raises:
        InputError: An argument cannot be used, or something that the predictor needs is missing.
        EznasError: The fit failed.
    """
    load_plugins(plugin)
    kept = fitted if isinstance(fitted, KeptFit) else KeptFit.load(Path(fitted))
    space = SPACES[kept.space]
    signals = read_signals(scores, space)
    known = {name: signal.values for name, signal in signals.items()} if signals else None
    predictor = kept.refit(known, supernet)
    begun = None if table is None else _begun(kept, Path(table))
    if architectures is not None:
        queried = _parsed(space, architectures)
    elif begun is not None:
        queried = [*begun[0]]
    else:
        queried = _others(space, [*kept.architectures, *kept.left_out])
    curves = None if begun is None else _curves_of(queried, *begun)
    facts = {
        "space": kept.space,
        "target": kept.target,
        "predictor": kept.predictor,
        "settings": kept.settings,
        "trained": len(kept.architectures),
        "left_out": len(kept.left_out),
        "seed": kept.seed,
        "reproduced": kept.reproduced(predictor),
    }
    return _ranking(predictor, queried, curves, facts)


def _loaded(benchmark: str, dataset: str | None, table: Path | str | None, target: str | None) -> AccuracyTable:
    return load_table(benchmark, dataset_name(benchmark, dataset), None if table is None else Path(table), target)


def _data(
    predictor: str | None,
    loaded: AccuracyTable,
    *,
    scores: Files,
    curves: Mapping[str, str],
    epoch: int | None,
    supernet: Path | str | None,
    tune: int,
) -> tuple[EvaluationData, PredictorChoice, dict[str, Any]]:
    """Return the data of a fit, the predictor, and the facts of a ranking."""
    data, left_out = read_data(loaded, scores, curves, supernet=supernet)
    if epoch is not None and data.curves is not None:
        data = replace(data, curves=data.curves.until(epoch))
    if predictor is None:
        name, encoding = default_predictor(len(data.accuracies), SPACES[data.space], data.scores)
        predictor = f"{name}@{encoding}"
    choice = PredictorChoice.parse(predictor, tune)
    if tune and not choice.tune:
        raise InputError(
            f"tune must come with a predictor that has ranges of hyper-parameters, got {choice}", parameters=("tune",)
        )
    if epoch is not None and not choice.make(data).needs.curve:
        raise InputError(
            f"epoch must come with a predictor that reads learning curves, got {choice}; leave it out",
            parameters=("epoch",),
        )
    facts = {
        "space": loaded.space,
        "target": str(loaded.target),
        "source": loaded.source,
        "predictor": str(choice),
        "trained": len(data.accuracies),
        "left_out": left_out,
    }
    return data, choice, facts


def _begun(kept: KeptFit, table: Path) -> tuple[tuple[str, ...], Curves]:
    """Return the architectures of a table and their learning curves at the epochs of a fit."""
    if not kept.epochs:
        raise InputError(f"table must be left out: {kept.predictor} reads no learning curve", parameters=("table",))

    def named(column: str, epoch: int) -> str:
        return column if column.rpartition("_")[2] == str(epoch) else f"{column}@{epoch}"

    points = {metric: [named(column, epoch) for epoch in kept.epochs] for metric, column in kept.columns.items()}
    last = next(iter(points.values()))[-1]
    loaded = read_table(table, benchmark=kept.space, space=SPACES[kept.space], dataset="custom", target=last)
    missing = next((name for names in points.values() for name in names if name not in loaded.columns), None)
    if missing is not None:
        raise InputError(f"table must have the column {missing}, which the fit reads", parameters=("table",))
    values = {metric: np.stack([loaded.columns[name] for name in names], axis=1) for metric, names in points.items()}
    return loaded.architectures, Curves(tuple(kept.epochs), values)


def _curves_of(queried: list[str], listed: Sequence[str], curves: Curves) -> Curves:
    """Return the curves of some of the architectures of a table."""
    places = {one: place for place, one in enumerate(listed)}
    absent = next((one for one in queried if one not in places), None)
    if absent is not None:
        raise InputError(
            f"table must have every architecture that is predicted, {absent} is missing", parameters=("table",)
        )
    return curves.rows([places[one] for one in queried])


def _ranking(predictor: Predictor, queried: list[str], curves: Curves | None, facts: dict[str, Any]) -> Ranking:
    prediction = predictor.predict(queried, curves)
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
    return Ranking({**facts, "predicted": len(queried)}, rows)


def _parsed(space: SearchSpace, architectures: Sequence[str]) -> list[str]:
    return [*dict.fromkeys(map(space.parse, architectures))]


def _others(space: SearchSpace, trained: Sequence[str]) -> list[str]:
    listed = space.architectures()
    if listed is None:
        raise InputError(
            f"architectures must be given, since {space.name} has too many to list them", parameters=("architectures",)
        )
    known = set(trained)
    return [one for one in listed if one not in known]
