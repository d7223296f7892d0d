"""The CSV file of an evaluation, to which the rows of each trial are appended."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.predictors.metrics import PredictionMetrics
from eznas.scoring.appended_csv import AppendedCsv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from eznas.predictors.evaluation_data import Row

_TEXTS = ("predictor", "status", "detail")
_COUNTS = ("train_size", "epochs", "trial", "n", "failed")
COLUMNS = (
    *("predictor", "train_size", "epochs", "trial", "status", "detail"),
    *(field.name for field in fields(PredictionMetrics)),
    *("fit_seconds", "predict_seconds", "initialisation_seconds", "query_seconds"),
)
"""The names in a row."""


class TrialCsv:
    """The file.

    Args:
        path: Its path.
        state: Everything that the rows depend on, as JSON has it; a file with another state is not resumed.
    """

    def __init__(self, path: Path, state: Mapping[str, Any]) -> None:
        self._file = AppendedCsv(path, COLUMNS, state)

    def begin(self, rows_of_a_trial: int, *, resume: bool) -> dict[int, list[Row]]:
        """Write the header, or read an existing file; a trial that is not complete leaves it.

        Args:
            rows_of_a_trial: The number of rows of a complete trial.
            resume: Whether to resume an existing file, which is refused otherwise.

        Returns:
            The rows of each complete trial.

        Raises:
            InputError: The file has another state, is not such a file, or cannot be written.
        """
        trials: dict[int, list[Row]] = {}
        for cells in self._file.begin(resume=resume):
            row = self._row(cells)
            trials.setdefault(row["trial"], []).append(row)
        complete = {trial: rows for trial, rows in trials.items() if len(rows) == rows_of_a_trial}
        if len(complete) < len(trials):
            self.rewrite(row for rows in complete.values() for row in rows)
        return complete

    def add(self, rows: Iterable[Row]) -> None:
        """Append the rows of a trial; a process that is killed after this returns loses none of them.

        Raises:
            InputError: They cannot be written, such as on a full disk.
        """
        self._file.add([row[name] for name in COLUMNS] for row in rows)

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Write the file anew with these rows."""
        self._file.rewrite([row[name] for name in COLUMNS] for row in rows)

    def _row(self, cells: list[str]) -> Row:
        try:
            return {name: _value(name, cell) for name, cell in zip(COLUMNS, cells, strict=True)}
        except ValueError as error:
            raise InputError(f"{self._file.path} must hold rows of an evaluation, but {error}") from error


def _value(name: str, cell: str) -> str | int | float | None:
    if name in _TEXTS:
        return cell
    if name in _COUNTS:
        return int(cell)
    return float(cell) if cell else None
