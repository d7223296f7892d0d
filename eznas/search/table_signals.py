"""The columns of a table as signals, with the epochs and seconds that each trained architecture costs."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from eznas.search.signals import Known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable

__all__ = ["epochs_of", "levels_of", "table_signals"]

_NUMBERED = re.compile(r"(.*?[a-z_])(\d+)")
_WHOLE = ("train_seconds", "seconds")
"""Columns of the seconds of a whole training."""


def epochs_of(column: str) -> float:
    """Return the epochs that a column's name ends in, as in ``valid12``; 0 where it ends in none."""
    found = _NUMBERED.fullmatch(column)
    return float(found[2]) if found else 0.0


def table_signals(table: AccuracyTable, usual: str) -> dict[str, Known]:
    """Return one signal a column.

    The seconds of ``valid12`` are the column ``valid12_seconds``. Where a column has none of its own, they are its
    epochs times the seconds of an epoch, which any column of seconds gives: a simulation, as the benchmarks' own.

    Args:
        table: The table.
        usual: What to call the table's accuracies.
    """
    columns: dict[str, NDArray[np.float64]] = {usual: table.accuracies, **table.columns}
    epochs = {name: epochs_of(name) for name in columns}
    epochs[usual] = epochs[usual] or float(table.target.epochs or 0)
    an_epoch = _seconds_of_an_epoch(columns, max(epochs.values()))
    signals = {}
    for name, values in columns.items():
        if name.endswith("_seconds") or name in _WHOLE:
            continue
        own = columns.get(f"{name}_seconds")
        if own is None and epochs[name] and an_epoch is not None:
            own = an_epoch * epochs[name]
        signals[name] = Known(
            name,
            dict(zip(table.architectures, values.tolist(), strict=True)),
            None if own is None else dict(zip(table.architectures, map(_cost, own.tolist()), strict=True)),
            epochs[name],
        )
    return signals


def levels_of(name: str, signals: dict[str, Known]) -> list[Known]:
    """Return the signals that measure the same after fewer epochs, the signal itself last."""
    full = signals[name]
    stem = _NUMBERED.fullmatch(name)
    alike = [
        one
        for other, one in signals.items()
        if stem and (found := _NUMBERED.fullmatch(other)) and found[1] == stem[1] and one.epochs < full.epochs
    ]
    return [*sorted(alike, key=lambda one: one.epochs), full]


def _seconds_of_an_epoch(columns: dict[str, NDArray[np.float64]], most: float) -> NDArray[np.float64] | None:
    """Return the seconds of one epoch, by the column of the longest training that has any."""
    timed = [name for name in columns if name.endswith("_seconds") and epochs_of(name.removesuffix("_seconds"))]
    if timed:
        longest = max(timed, key=lambda name: epochs_of(name.removesuffix("_seconds")))
        return columns[longest] / epochs_of(longest.removesuffix("_seconds"))
    whole = next((name for name in _WHOLE if name in columns), None)
    return columns[whole] / most if whole is not None and most else None


def _cost(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0
