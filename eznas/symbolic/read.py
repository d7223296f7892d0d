"""Files of scores: CSV files, and NAS-Bench-Suite-Zero's ``zc_*.json``.

A CSV file has the columns ``architecture`` (or ``uid``) and ``accuracy``, maybe ``task``, and one for each proxy, as
``verify_scores.py --csv`` writes them::

    task,architecture,accuracy,synflow,naswot
    nasbench201/cifar10,|avg_pool_3x3~0|+|...,85.86,44.48,754.7

An empty cell, and anything else that is not a finite number, is a missing score. ``status``, ``seconds``, ``time`` and
``NAME_seconds`` are no scores. Columns with the name of a number or an accuracy, such as ``id`` and ``test_accuracy``,
are read only if they are chosen. A file whose name ends in ``.gz`` is compressed. In the JSON files, scores of -1e8 and
below are missing too: NASLib writes -1e8 for a proxy that failed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.symbolic.table import ScoreTable, TaskScores, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


_ARCHITECTURES = ("architecture", "uid")
_TASK, _ACCURACY, _JSON_ACCURACY = "task", "accuracy", "val_accuracy"
_NO_SCORES = ("status", "seconds", "time")
_NAME = re.compile(r"[a-z0-9_]+")
_RESERVED = re.compile(r"best|task|architecture|accuracy|rank.*")
"""Names of columns and programs in the results."""

_FAILED = -1e8
"""NASLib's mark of a proxy without a value."""


def read_score_tables(
    files: Sequence[Path], *, target: str | None = None, columns: Sequence[str] = (), max_missing: float = 0.1
) -> ScoreTable:
    """Read score files; each holds one task or several.

    Args:
        files: CSV or JSON files.
        target: The column of the accuracy; None for ``accuracy``, and ``val_accuracy`` of a JSON file.
        columns: Columns to read; empty for all that have the name of a score.
        max_missing: Largest share of missing scores in a task at which a column is read.

    Raises:
        InputError: A file cannot be read, or no column can be used; the message names the file and line.
    """
    tasks: list[TaskScores] = []
    sources = {}
    for path in files:
        data, text = _contents(path)
        sources[str(path)] = hashlib.sha256(data).hexdigest()
        json_file = path.name.removesuffix(".gz").endswith(".json")
        read = _read_json(path, text, target) if json_file else _read_csv(path, text, target)
        if not read:
            raise InputError(f"{path} must have architectures, it has none", parameters=("scores",))
        tasks += read
    return joined(tasks, sources, columns, max_missing)


def _contents(path: Path) -> tuple[bytes, str]:
    try:
        data = path.read_bytes()
        return data, (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path} must be a readable score file: {reason}", parameters=("scores",)) from error


def _read_csv(path: Path, text: str, target: str | None) -> list[TaskScores]:
    lines = list(io.StringIO(text, newline=""))
    skipped = next((index for index, line in enumerate(lines) if not line.startswith("#")), 0)
    rows = csv.reader(lines[skipped:])
    header = [cell.strip() for cell in next(rows, [])]
    accuracy = target or _ACCURACY
    architecture = next((name for name in _ARCHITECTURES if name in header), None)
    if architecture is None or accuracy not in header:
        raise InputError(
            f"{path} must have the columns {_ARCHITECTURES[0]} and {accuracy}, it has: "
            f"{', '.join(header)[:200] or 'none'}",
            parameters=("target",) if architecture else (),
        )
    by_task: dict[str, list[dict[str, str]]] = {}
    for cells in rows:
        if not cells:
            continue
        if len(cells) != len(header):
            place = f"{path}, line {skipped + rows.line_num}"
            raise InputError(f"{place}: must have {len(header)} cells as the header has, got {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        by_task.setdefault(row.get(_TASK, _stem(path)), []).append(row)
    names = [
        name
        for name in header
        if name not in (architecture, accuracy, _TASK, _ACCURACY, *_NO_SCORES) and not name.endswith("_seconds")
    ]
    _check_header(path, header)
    return [
        _task(
            path,
            name,
            [row[architecture] for row in part],
            [_number(row[accuracy]) for row in part],
            {column: [_number(row[column]) for row in part] for column in names if _holds_numbers(part, column)},
        )
        for name, part in by_task.items()
    ]


def _check_header(path: Path, header: Sequence[str]) -> None:
    name, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path} must have one column {name!r}, it has {count}")


def _holds_numbers(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    return any(math.isfinite(_number(row[column])) for row in rows)


def _read_json(path: Path, text: str, target: str | None) -> list[TaskScores]:
    try:
        loaded = json.loads(text)
        parts = [(name, list(part.items())) for name, part in loaded.items()]
        accuracy = target or _JSON_ACCURACY
        space = _stem(path).removeprefix("zc_")
        return [
            _task(
                path,
                f"{space}/{name}",
                [architecture for architecture, _ in part],
                [_scored(entry.get(accuracy)) for _, entry in part],
                {
                    column: [_scored(entry.get(column)) for _, entry in part]
                    for column in dict.fromkeys(key for _, entry in part for key in entry)
                    if column not in (accuracy, _JSON_ACCURACY, "id")
                },
            )
            for name, part in parts
        ]
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} must be a zc_*.json of NAS-Bench-Suite-Zero, an object by data set and architecture: {error}",
            parameters=("scores",),
        ) from error


def _scored(entry: object) -> float:
    """Return the number of an entry such as ``{"score": 1.5, "time": 0.1}``, or of a number; NaN for a failure."""
    value = entry.get("score") if isinstance(entry, dict) else entry
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:  # a whole number above all floats, which a CSV file reads as infinity
        number = math.inf
    return number if number > _FAILED else math.nan


def _task(
    path: Path, name: str, architectures: list[str], accuracies: list[float], scores: Mapping[str, list[float]]
) -> TaskScores:
    """Leave out the architectures without an accuracy, and rename the columns to words of the language."""
    place = f"{path}, task {name}"
    words: dict[str, str] = {}
    for column in scores:
        word = column.strip().lower().replace("-", "_").replace(" ", "_")
        if not _NAME.fullmatch(word):
            raise InputError(f"{place}: a column must have a name made of a-z, 0-9 and _, got {column!r}; rename it")
        if word in words:
            raise InputError(f"{place}: columns {words[word]!r} and {column!r} must have different names; rename one")
        if _RESERVED.fullmatch(word):
            raise InputError(f"{place}: a column must have a name that no result has, got {column!r}; rename it")
        words[word] = column
    if not architectures:
        raise InputError(f"{place}: must have architectures, it has none")
    architecture, count = Counter(architectures).most_common(1)[0]
    if count > 1:
        raise InputError(f"{place}: must have one line for each architecture, {architecture} has {count}")
    kept = np.isfinite(accuracies)
    if not kept.any():
        raise InputError(f"{place}: must have accuracies, it has none")
    return TaskScores(
        name,
        tuple(architecture for architecture, finite in zip(architectures, kept, strict=True) if finite),
        np.array(accuracies)[kept],
        {word: _finite(scores[column])[kept] for word, column in words.items()},
        {architectures[index]: "no accuracy" for index in np.flatnonzero(~kept)},
    )


def _finite(values: list[float]) -> np.ndarray:
    array = np.array(values)
    return np.where(np.isfinite(array), array, np.nan)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]
