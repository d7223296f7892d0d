"""The columns of a table as signals, with the epochs and seconds that each trained architecture costs."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from eznas.search.signals import TabularSignal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eznas.benchmarks import AccuracyTable

__all__ = ["epochs_of", "levels_of", "table_signals"]

_NUMBERED = re.compile(r"(.*?[a-z_])(\d+)")
_SEED = re.compile(r"_seed\d+$")
_POINT = re.compile(r"(.*)@(\d+)")
_WHOLE = ("train_seconds", "seconds")
"""Columns of the seconds of a whole training."""


def epochs_of(column: str) -> float:
    """Return the epochs that a column's name says; 0 where it says none.

    They are what ``validation_12`` and ``test_200`` end in, also before a seed, as in ``test_200_seed777``; and in a
    point of a learning curve, as ``test_200@8``, those after the ``@``.
    """
    point = _POINT.fullmatch(column)
    if point is not None:
        return float(point[2])
    found = _NUMBERED.fullmatch(_SEED.sub("", column))
    return 0.0 if found is None else float(found[2])


def table_signals(table: AccuracyTable, usual: str) -> dict[str, TabularSignal]:
    """Return one signal a column.

    The seconds of ``validation_12`` are the column ``validation_12_seconds`` or ``seconds_validation_12``; those of
    ``test_200`` also ``train_seconds_200``. Where a column has none of these, they are its epochs times the seconds of
    an epoch, which any column of seconds of a training gives: a simulation, as the benchmarks' own. Columns of seconds
    are no signals.

    Args:
        table: The table.
        usual: What to call the table's accuracies.
    """
    columns: dict[str, NDArray[np.float64]] = {usual: table.accuracies, **table.columns}
    epochs = {name: epochs_of(name) for name in columns}
    epochs[usual] = epochs[usual] or float(table.target.epochs or 0)
    an_epoch = _seconds_of_an_epoch(columns, max(epochs[name] for name in columns if not _is_seconds(name)))
    signals = {}
    for name, values in columns.items():
        if _is_seconds(name):
            continue
        known = (f"{name}_seconds", f"seconds_{name}", f"train_seconds_{epochs[name]:g}")
        own = next((columns[one] for one in known if one in columns), None)
        if own is None and epochs[name] and an_epoch is not None:
            own = an_epoch * epochs[name]
        signals[name] = TabularSignal(
            name,
            dict(zip(table.architectures, values.tolist(), strict=True)),
            None if own is None else dict(zip(table.architectures, map(_cost, own.tolist()), strict=True)),
            epochs[name],
        )
    return signals


def levels_of(name: str, signals: dict[str, TabularSignal]) -> list[TabularSignal]:
    """Return the signals that measure the same after fewer epochs, the signal itself last.

    They are the points of its own learning curve, at powers of two where a table has more; where it has fewer than two
    of these, trainings of fewer epochs, each of which is a training of its own.
    """
    full, kind = signals[name], _kind(name)
    curve = [one for other, one in signals.items() if other.startswith(f"{name}@") and one.epochs < full.epochs]
    alike = [one for other, one in signals.items() if kind and _kind(other) == kind and one.epochs < full.epochs]
    doubled = [one for one in curve if math.frexp(one.epochs)[0] == 0.5]  # noqa: PLR2004 - powers of two
    levels = next((ones for ones in (doubled, curve) if len(ones) > 1), alike)
    return [*sorted(levels, key=lambda one: one.epochs), full]


def _kind(column: str) -> tuple[str, str] | None:
    """Return what a column measures apart from its epochs, and the seed; None where it says no epochs."""
    found, seed = _NUMBERED.fullmatch(_SEED.sub("", column)), _SEED.search(column)
    return None if found is None else (found[1], seed[0] if seed else "")


def _is_seconds(column: str) -> bool:
    return column in _WHOLE or column.endswith("_seconds") or column.startswith(("seconds_", "train_seconds_"))


def _trained(column: str) -> float:
    """Return the epochs that a column of seconds is of; 0 where it is of none."""
    if column.endswith("_seconds"):
        return epochs_of(column.removesuffix("_seconds"))
    return epochs_of(column.removeprefix("seconds_")) if _is_seconds(column) else 0.0


def _seconds_of_an_epoch(columns: dict[str, NDArray[np.float64]], most: float) -> NDArray[np.float64] | None:
    """Return the seconds of one epoch, by the column of the longest training that has any."""
    longest = max(columns, key=_trained)
    if _trained(longest):
        return columns[longest] / _trained(longest)
    whole = next((name for name in _WHOLE if name in columns), None)
    return columns[whole] / most if whole is not None and most else None


def _cost(seconds: float) -> float:
    return seconds if math.isfinite(seconds) else 0.0
