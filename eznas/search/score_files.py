"""Scores that were computed before, as CSV files.

Two forms are read. In the first, scores stand by architecture, a column a proxy; a column ``NAME_seconds`` says
what each score of ``NAME`` cost, and ``seconds`` what each row cost::

    architecture,synflow,naswot,seconds
    |avg_pool_3x3~0|+|...,44.48,754.7,0.14

The files that ``verify_scores.py --csv`` writes are of this form; their columns ``accuracy`` and ``status``, the last,
are not read. In the second, as the NASWOT project's scripts write them, the first column is the official index of the
architecture, the second the score, and ``time`` what it cost::

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

__all__ = ["read_scores"]

_ARCHITECTURE, _INDEX = "architecture", "uid"
_SECONDS = ("seconds", "time")


def read_scores(path: Path, space: SearchSpace, name: str = "") -> dict[str, TabularSignal]:
    """Return the signals of a file by name; one that is called as a measure has that measure's direction.

    Args:
        path: The file.
        space: Parses the architectures, or lists them by index.
        name: What to call the score where the file has one; empty for the column's name, or for that of the file
            where the column is called ``score``.

    Raises:
        InputError: The file cannot be read, or a line is faulty; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"the scores {path} cannot be read: {error.strerror}; give a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} must be a CSV file in UTF-8: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if len(header) < 2 or header[0] not in (_ARCHITECTURE, _INDEX):  # noqa: PLR2004 - an architecture and a score
        raise InputError(f"{path} must have a header that begins with {_ARCHITECTURE} or {_INDEX}, got {header}")
    architectures = [_architecture(row, header, space, f"{path}, line {line}") for line, row in enumerate(rows[1:], 2)]
    if len(set(architectures)) < len(architectures):
        twice = Counter(architectures).most_common(1)[0][0]
        raise InputError(f"{path} must have one line an architecture, {twice} stands in several")
    beside = ("accuracy", "status") if header[-1] == "status" else ()
    columns = {
        column: {
            architecture: _number(row[place], f"{path}, line {line}, column {column!r}")
            for line, (architecture, row) in enumerate(zip(architectures, rows[1:], strict=True), 2)
        }
        for place, column in enumerate(header)
        if place and column not in beside
    }
    common = next((columns[one] for one in _SECONDS if one in columns), None)
    scores = [one for one in columns if one not in _SECONDS and not one.endswith("_seconds")]
    if not scores:
        raise InputError(f"{path} must have a column of scores, it has: {', '.join(header)}")
    signals = {}
    for one in scores:
        called = _called(one, scores, name, path)
        direction = MEASURES[called].direction if called in MEASURES else 1
        signals[called] = TabularSignal(
            called, columns[one], columns.get(f"{one}_seconds", common), direction=direction
        )
    return signals


def _called(column: str, scores: list[str], name: str, path: Path) -> str:
    if name and len(scores) == 1:
        return name
    return path.name.partition(".")[0] if column == "score" else column


def _architecture(row: list[str], header: list[str], space: SearchSpace, where: str) -> str:
    if len(row) != len(header):
        raise InputError(f"{where}: must have {len(header)} cells as the header has, got {len(row)}")
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
    """Read a number; nothing is NaN, which is a failed score."""
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise InputError(f"{where}: must be a number or nothing, got {cell!r}") from None
