"""The data of predictors from a table and files of scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError, unknown
from eznas.predictors import Curves
from eznas.predictors.evaluation_data import EvaluationData
from eznas.search.score_files import read_scores
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.benchmarks import AccuracyTable
    from eznas.search.signals import TabularSignal
    from eznas.spaces import SearchSpace

    Files = Path | str | Sequence[Path | str]


def read_signals(files: Files, space: SearchSpace) -> dict[str, TabularSignal]:
    """Return the scores of all files by name.

    Raises:
        InputError: A file cannot be read, or a name is in several files.
    """
    signals: dict[str, TabularSignal] = {}
    for file in (files,) if isinstance(files, str | Path) else files:
        for name, signal in read_scores(Path(file), space).items():
            if name in signals:
                raise InputError(f"{name} must be in one file of scores, it is in several", parameters=("scores",))
            signals[name] = signal
    return signals


def read_data(
    table: AccuracyTable,
    scores: Files = (),
    curves: Mapping[str, str] | None = None,
    seconds: str | None = None,
    supernet: Path | str | None = None,
) -> tuple[EvaluationData, int]:
    """Return the data of the architectures that have every score and every point, and the number of the others.

    Args:
        table: The accuracies.
        scores: CSV files of scores.
        curves: The column of the table that is the whole training, by the metric of the learning curve.
        seconds: The column of the table with the seconds of the whole training; None for ``train_seconds_E`` with the
            target's epochs ``E``, where the table has it.
        supernet: Run directory of a trained supernet, for predictors that read one.

    Raises:
        InputError: There is no such file or column, or the curves have different epochs.
    """
    space = SPACES[table.space]
    signals = read_signals(scores, space)
    read = {metric: table.curve(column) for metric, column in (curves or {}).items()}
    grids = {epochs for epochs, _ in read.values()}
    if len(grids) > 1:
        raise InputError(f"all curves must have the same epochs, got {sorted(grids)}", parameters=("curves",))
    complete = np.ones(len(table), dtype=bool)
    for _, values in read.values():
        complete &= np.isfinite(values).all(axis=1)
    for signal in signals.values():
        complete &= np.isfinite([signal.values.get(one, np.nan) for one in table.architectures])
    places = np.flatnonzero(complete)
    kept = {table.architectures[place]: float(table.accuracies[place]) for place in places.tolist()}
    data = EvaluationData(
        table.space,
        kept,
        {name: signal.values for name, signal in signals.items()},
        Curves(grids.pop(), {metric: values[places] for metric, (_, values) in read.items()}) if read else None,
        _seconds(table, seconds),
        {name: signal.seconds for name, signal in signals.items() if signal.seconds},
        supernet,
    )
    return data, len(table) - len(kept)


def _seconds(table: AccuracyTable, column: str | None) -> dict[str, float]:
    name = column or f"train_seconds_{table.target.epochs}"
    if name not in table.columns:
        if column is not None:
            raise unknown("column of seconds", column, table.columns)
        return {}
    pairs = zip(table.architectures, table.columns[name].tolist(), strict=True)
    return {architecture: seconds for architecture, seconds in pairs if np.isfinite(seconds)}
