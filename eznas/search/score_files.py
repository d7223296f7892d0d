"""CSV files of precomputed scores.

There are two formats. The first has a row per architecture and a column per proxy; the column ``NAME_seconds`` holds
the seconds of each score of ``NAME``, and ``seconds`` those of each row::

    architecture,synflow,naswot,seconds
    |avg_pool_3x3~0|+|...,44.48,754.7,0.14

``verify_scores.py --csv`` writes this format; its columns ``accuracy`` and ``status`` are ignored. The second format is
that of the NASWOT project's scripts: the official index of the architecture, the score, and its seconds::

    uid,score,time
    0,1548.9,0.0906
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.search.signals import TabularSignal

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.spaces import SearchSpace


_ARCHITECTURE, _INDEX = "architecture", "uid"
_SECONDS = ("seconds", "time")


def read_scores(path: Path, space: SearchSpace, name: str = "") -> dict[str, TabularSignal]:
    """Return the signals of a file by name; a signal with the name of a measure has the measure's direction.

    Args:
        path: The file.
        space: Parses the architectures, or lists them in the order of the index.
        name: Name of the only signal of the file; empty for the column's name, or for the file's name if the column is
            ``score``.

    Raises:
        InputError: The file cannot be read, or it has several scores for one name, or a line is faulty; the message
            names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise InputError(f"{path} must be a readable CSV file of scores: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be a CSV file in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"{path} must have a header that starts with {_ARCHITECTURE} or {_INDEX}, but it is empty")
    header = [cell.strip() for cell in rows[0][1]]
    if len(header) < 2 or header[0] not in (_ARCHITECTURE, _INDEX):  # noqa: PLR2004 - an architecture and a score
        raise InputError(f"{path} must have a header that starts with {_ARCHITECTURE} or {_INDEX}, got {header}")
    architectures = [_architecture(row, header, space, f"{path}, line {line}") for line, row in rows[1:]]
    if len(set(architectures)) < len(architectures):
        twice = Counter(architectures).most_common(1)[0][0]
        raise InputError(f"{path} must have one line per architecture, {twice} has several")
    ignored = ("accuracy", "status") if header[-1] == "status" else ()
    columns = {
        column: {
            architecture: _number(row[place], f"{path}, line {line}, column {column!r}")
            for architecture, (line, row) in zip(architectures, rows[1:], strict=True)
        }
        for place, column in enumerate(header)
        if place and column not in ignored
    }
    scores = [column for column in columns if not _is_seconds(column)]
    if not scores:
        raise InputError(f"{path} must have a column of scores, it has: {', '.join(header)}")
    if name and len(scores) > 1:
        raise InputError(
            f"scores must have one column of scores to be named {name!r}, {path} has {', '.join(scores)}; give FILE "
            "without NAME=, and rename columns in the file where needed",
            parameters=("scores",),
        )
    known = {column: _finite(columns[column]) for column in columns if _is_seconds(column)}
    row_seconds = next((known[column] for column in _SECONDS if column in known), None)
    signals = {}
    for column in scores:
        signal = path.name.partition(".")[0] if column == "score" else column
        signal = name or signal
        direction = MEASURES[signal].direction if signal in MEASURES else 1
        seconds = known.get(f"{column}_seconds", row_seconds)
        signals[signal] = TabularSignal(signal, columns[column], seconds, direction=direction)
    return signals


def _is_seconds(column: str) -> bool:
    return column in _SECONDS or column.endswith("_seconds")


def _finite(seconds: dict[str, float]) -> dict[str, float]:
    return {architecture: value for architecture, value in seconds.items() if math.isfinite(value)}


def _architecture(row: list[str], header: list[str], space: SearchSpace, where: str) -> str:
    if len(row) != len(header):
        raise InputError(f"{where}: must have {len(header)} cells like the header, got {len(row)}")
    if header[0] == _ARCHITECTURE:
        try:
            return space.parse(row[0])
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    listed = space.architectures()
    if listed is None:
        raise InputError(f"{where}: {space.name} has no official index; give a column {_ARCHITECTURE}")
    if not row[0].strip().isdecimal() or int(row[0]) >= len(listed):
        raise InputError(f"{where}: {_INDEX} must be a whole number from 0 to {len(listed) - 1}, got {row[0]!r}")
    return listed[int(row[0])]


def _number(cell: str, where: str) -> float:
    """Read a number; an empty cell is NaN, a failed score or unknown seconds."""
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise InputError(f"{where}: must be a number or empty, got {cell!r}") from None
