"""The native table: a CSV file with the columns ``architecture`` and ``accuracy``, in percent.

::

    # dataset: cifar10
    # split: test
    # epochs: 200
    # training_seeds: mean of 777, 888 and 999
    architecture,accuracy,params
    |avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|...,85.86,129306

Further columns are numbers too; an empty cell in them is NaN. The lines that begin with ``#`` say which accuracy it
is, and may be missing. Accuracies are used for ranking, and printed as percent; any finite numbers are accepted. A file
whose name ends in ``.gz`` is compressed. Writing a table and reading it give the same table.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eznas.benchmarks.table import AccuracyTable, Target, column_target
from eznas.errors import InputError
from eznas.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.spaces import SearchSpace


_ARCHITECTURE, _ACCURACY = "architecture", "accuracy"
_FACTS = ("dataset", "split", "epochs", "training_seeds")
_SPLITS = ("validation", "test", "unknown")


def read_table(
    path: Path, *, benchmark: str, space: SearchSpace, dataset: str, target: str | None = None
) -> AccuracyTable:
    """Read a table.

    Args:
        path: The file.
        benchmark: The benchmark's name.
        space: Its search space, which parses the architectures.
        dataset: The data set of the accuracies.
        target: The column of the accuracy; architectures with an empty cell there are left out and counted. None for
            ``accuracy``, which the file may describe.

    Raises:
        InputError: The file cannot be read, a line is faulty, or all accuracies are equal; the message names the line.
    """
    if target == _ARCHITECTURE:
        raise InputError(f"target must be a column of accuracies, got {target!r}", parameters=("target",))
    data, text = _contents(path)
    cells = _Cells(path, text, target or _ACCURACY)
    architectures = cells.architectures(space)
    columns = {name: cells.numbers(name) for name in cells.header if name != _ARCHITECTURE}
    # a column with a name of its own keeps it: it may have a learning curve
    accuracies = columns.pop(_ACCURACY) if cells.target == _ACCURACY else columns[cells.target]
    if accuracies.min() == accuracies.max():
        raise InputError(f"{path}: column {cells.target!r} must have different values to rank, all are {accuracies[0]}")
    return AccuracyTable(
        benchmark=benchmark,
        space=space.name,
        target=_target(path, cells, dataset),
        architectures=architectures,
        accuracies=accuracies,
        source=str(path),
        digest=hashlib.sha256(data).hexdigest(),
        columns=columns,
    )


def write_table(table: AccuracyTable, path: Path) -> None:
    """Write a table atomically; compressed where the name ends in ``.gz``."""
    text = io.StringIO(newline="")
    for fact in _FACTS:
        value = getattr(table.target, fact)
        if value is not None:
            text.write(f"# {fact}: {value}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_ARCHITECTURE, _ACCURACY, *table.columns])
    columns = [column.tolist() for column in (table.accuracies, *table.columns.values())]
    for architecture, *numbers in zip(table.architectures, *columns, strict=True):
        writer.writerow([architecture, *["" if math.isnan(number) else number for number in numbers]])
    data = text.getvalue().encode()
    replace_file(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _contents(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file, and its text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"the table {path} cannot be read: {error.strerror}; give a CSV file") from error
    try:
        return data, (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a gzip file, as its name says, but cannot be unpacked: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text, but byte {error.start} is not; save it as UTF-8") from error


class _Row(NamedTuple):
    line: int
    cells: list[str]


class _Cells:
    """The cells of a file as text, with the line number of each row."""

    def __init__(self, path: Path, text: str, target: str) -> None:
        self.path = path
        self.target = target
        self.facts: dict[str, str] = {}
        lines = list(io.StringIO(text, newline=""))
        start = 0
        while start < len(lines) and lines[start].startswith("#"):
            fact, _, value = lines[start].removeprefix("#").partition(":")
            self.facts[fact.strip()] = value.strip()
            start += 1
        rows = self._rows(lines, start)
        first = next(rows, None)
        if first is None:
            raise InputError(f"{path} must begin with the line {_ARCHITECTURE},{_ACCURACY}, but it is empty")
        self.header = [name.strip() for name in first.cells]
        self._check_header(first.line)
        self.rows = list(rows)
        if not self.rows:
            raise InputError(f"{path} must have a line for each architecture below its header, but it has none")
        for row in self.rows:
            if len(row.cells) != len(self.header):
                raise InputError(
                    f"{path}, line {row.line}: must have {len(self.header)} cells as the header has, "
                    f"got {len(row.cells)}"
                )
        self.left_out = self._leave_out() if target != _ACCURACY else 0

    def _leave_out(self) -> int:
        """Leave out the architectures without the accuracy, and return how many."""
        place, before = self.header.index(self.target), len(self.rows)
        self.rows = [row for row in self.rows if row.cells[place].strip()]
        if not self.rows:
            raise InputError(f"{self.path}: column {self.target!r} must hold numbers, but it is empty")
        return before - len(self.rows)

    def architectures(self, space: SearchSpace) -> tuple[str, ...]:
        """Return the official strings."""
        place = self.header.index(_ARCHITECTURE)
        lines: dict[str, int] = {}
        for row in self.rows:
            try:
                architecture = space.parse(row.cells[place])
            except InputError as error:
                raise InputError(f"{self.path}, line {row.line}, column {_ARCHITECTURE!r}: {error}") from error
            before = lines.setdefault(architecture, row.line)
            if before != row.line:
                raise InputError(f"{self.path}, line {row.line}: {architecture} is in line {before} too; keep one")
        return tuple(lines)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; those of the target are finite."""
        place = self.header.index(name)
        column = np.empty(len(self.rows))
        for index, row in enumerate(self.rows):
            cell = row.cells[place].strip()
            try:
                column[index] = float(cell or "nan")
                valid = name != self.target or math.isfinite(column[index])
            except ValueError:
                valid = False
            if not valid:
                must = "a finite number" if name == self.target else "a number or nothing"
                raise InputError(f"{self.path}, line {row.line}, column {name!r}: must be {must}, got {cell!r}")
        return column

    def _check_header(self, line: int) -> None:
        for name in (_ARCHITECTURE, self.target):
            if name not in self.header:
                has = ", ".join(self.header)
                raise InputError(f"{self.path}, line {line}: must have a column {name!r}, it has: {has}")
        for name in self.header:
            if self.header.count(name) > 1:
                raise InputError(f"{self.path}, line {line}: must have one column {name!r}, got several")

    def _rows(self, lines: list[str], start: int) -> Iterator[_Row]:
        reader = csv.reader(lines[start:], strict=True)
        try:
            for cells in reader:
                if cells:
                    yield _Row(start + reader.line_num, cells)
        except csv.Error as error:
            raise InputError(f"{self.path}, line {start + reader.line_num}: must be CSV, but {error}") from error


def _target(path: Path, cells: _Cells, dataset: str) -> Target:
    facts = cells.facts
    named = facts.get("dataset", dataset)
    if named.lower() != dataset.lower():
        raise InputError(
            f"{path} must hold accuracies on {dataset}, but names the data set {named}; set dataset to {named}, or "
            "correct the file if the benchmark has no such data set",
            parameters=("dataset",),
        )
    if cells.target != _ACCURACY:
        where = f"column {cells.target!r} of {path.name}"
        if cells.left_out:
            where += f", {cells.left_out} rows without it left out"
        return column_target(cells.target, dataset, where) or Target(dataset, "unknown", None, where)
    split, epochs = facts.get("split", "unknown"), facts.get("epochs")
    if split not in _SPLITS:
        raise InputError(f"{path}: split must be one of {', '.join(_SPLITS)}, got {split!r}")
    if epochs is not None and not epochs.isdecimal():
        raise InputError(f"{path}: epochs must be a whole number, got {epochs!r}")
    seeds = facts.get("training_seeds", f"as in {path.name}")
    return Target(dataset, split, int(epochs) if epochs is not None else None, seeds)
