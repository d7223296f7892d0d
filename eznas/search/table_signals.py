"""The columns of a table as signals, with the epochs and seconds of each training."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from eznas.search.signals import TabularSignal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable


_NUMBERED = re.compile(r"(.*?[a-z_])(\d+)")
_SEED = re.compile(r"_seed\d+$")
_POINT = re.compile(r"(.*)@(\d+)")
_WHOLE = ("train_seconds", "seconds")
"""Columns that hold the seconds of a whole training."""


def epochs_of(column: str) -> float:
    """Return the epochs in the name of a column; 0 if it has none.

    They are the number at the end of ``validation_12``, before the seed in ``test_200_seed777``, and after the ``@`` in
    ``test_200@8``, a point of a learning curve.
    """
    point = _POINT.fullmatch(column)
    if point is not None:
        return float(point[2])
    numbered = _NUMBERED.fullmatch(_SEED.sub("", column))
    return 0.0 if numbered is None else float(numbered[2])


def table_signals(table: AccuracyTable, target: str) -> dict[str, TabularSignal]:
    """Return one signal per column, except for columns of seconds.

    The seconds of ``validation_12`` are in the column ``validation_12_seconds``, ``seconds_validation_12`` or
    ``train_seconds_12``. Without such a column they are simulated, as benchmarks do: epochs times the seconds of one
    epoch of the longest training with a column of seconds.

    Args:
        table: The table.
        target: Name of the signal of the table's accuracies.
    """
    columns: dict[str, NDArray[np.float64]] = {target: table.accuracies, **table.columns}
    epochs = {name: epochs_of(name) for name in columns}
    epochs[target] = epochs[target] or float(table.target.epochs or 0)
    epoch_seconds = _epoch_seconds(columns, max(epochs[name] for name in columns if not _is_seconds(name)))
    signals = {}
    for name, values in columns.items():
        if _is_seconds(name):
            continue
        candidates = (f"{name}_seconds", f"seconds_{name}", f"train_seconds_{epochs[name]:g}")
        seconds = next((columns[column] for column in candidates if column in columns), None)
        if seconds is None and epochs[name] and epoch_seconds is not None:
            seconds = epoch_seconds * epochs[name]
        signals[name] = TabularSignal(
            name,
            dict(zip(table.architectures, values.tolist(), strict=True)),
            None if seconds is None else _known(table.architectures, seconds),
            epochs[name],
        )
    return signals


def levels_of(name: str, signals: dict[str, TabularSignal]) -> list[TabularSignal]:
    """Return the signals of the same quantity after fewer epochs, the signal itself last.

    They are the points of its learning curve at powers of two; else all points; with fewer than two points, they are
    separate trainings of fewer epochs.
    """
    full, kind = signals[name], _kind(name)
    shorter = {column: signal for column, signal in signals.items() if signal.epochs < full.epochs}
    curve = [signal for column, signal in shorter.items() if column.startswith(f"{name}@")]
    doubled = [signal for signal in curve if math.frexp(signal.epochs)[0] == 0.5]  # noqa: PLR2004 - powers of two
    trainings = [signal for column, signal in shorter.items() if kind and _kind(column) == kind]
    levels = next((points for points in (doubled, curve) if len(points) > 1), trainings)
    return [*sorted(levels, key=lambda signal: signal.epochs), full]


def _kind(column: str) -> tuple[str, str] | None:
    """Return the quantity of a column without its epochs, and the seed; None if it has no epochs."""
    numbered, seed = _NUMBERED.fullmatch(_SEED.sub("", column)), _SEED.search(column)
    return None if numbered is None else (numbered[1], seed[0] if seed else "")


def _is_seconds(column: str) -> bool:
    return column in _WHOLE or column.endswith("_seconds") or column.startswith(("seconds_", "train_seconds_"))


def _trained(column: str) -> float:
    """Return the epochs of a column of seconds; 0 if its name has none."""
    if column.endswith("_seconds"):
        return epochs_of(column.removesuffix("_seconds"))
    return epochs_of(column.removeprefix("seconds_")) if _is_seconds(column) else 0.0


def _epoch_seconds(columns: dict[str, NDArray[np.float64]], most: float) -> NDArray[np.float64] | None:
    """Return the seconds of one epoch, from the longest training with a column of seconds."""
    longest = max(columns, key=_trained)
    if _trained(longest):
        return columns[longest] / _trained(longest)
    whole = next((name for name in _WHOLE if name in columns), None)
    return columns[whole] / most if whole is not None and most else None


def _known(architectures: Sequence[str], seconds: NDArray[np.float64]) -> dict[str, float]:
    pairs = zip(architectures, seconds.tolist(), strict=True)
    return {architecture: value for architecture, value in pairs if math.isfinite(value)}
