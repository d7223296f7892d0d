"""A CSV file of scores, to which each scored architecture is appended, so that a stopped command can resume.

The columns are ``architecture``, ``accuracy``, one for each proxy, and ``status``: ``ok``, or the proxies without a
value and the reason, as in ``naswot: non_finite``. ``FILE.state.json`` beside it names all that scores depend on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.scoring.appended_csv import AppendedCsv
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ScoreCsv:
    """The file.

    Args:
        path: Its path.
        proxies: The proxies' names, in the order of scores.
        state: Everything that the scores depend on; a file with another state is not resumed.

    Attributes:
        file: The file below it, which also marks the architecture that runs.
    """

    def __init__(self, path: Path, proxies: Sequence[str], state: Mapping[str, Any]) -> None:
        self.proxies = list(proxies)
        columns = ["architecture", "accuracy", *proxies, "status"]
        self.file = AppendedCsv(path, columns, {"proxies": self.proxies, **state})

    def begin(self, *, resume: bool) -> dict[str, list[Score]]:
        """Write the header, or read the rows of an existing file.

        Args:
            resume: Whether to resume an existing file, which is refused otherwise.

        Returns:
            For each architecture in the file, its scores.

        Raises:
            InputError: The file has another state, is not such a file, or cannot be written.
        """
        return {row[0]: self._scores(row) for row in self.file.begin(resume=resume)}

    def add(self, architecture: str, accuracy: float, scores: Sequence[Score]) -> None:
        """Append one architecture; a process that is killed after this returns does not lose it.

        Raises:
            InputError: It cannot be written, such as on a full disk.
        """
        self.file.add([self._row(architecture, accuracy, scores)])

    def finish(self, rows: Sequence[tuple[str, float, Sequence[Score]]]) -> None:
        """Write the file anew, in the order of rows."""
        self.file.rewrite(self._row(*row) for row in rows)

    def _row(self, architecture: str, accuracy: float, scores: Sequence[Score]) -> list[object]:
        failed = [
            f"{name}: {score.status.value}" for name, score in zip(self.proxies, scores, strict=True) if not score.ok
        ]
        values = [score.value if score.ok else None for score in scores]
        return [architecture, accuracy, *values, "; ".join(failed) or Status.OK.value]

    def _scores(self, row: list[str]) -> list[Score]:
        try:
            failed = {} if row[-1] == Status.OK.value else dict(part.rsplit(": ", 1) for part in row[-1].split("; "))
            return [
                Score.failed(Status(failed[name])) if name in failed else Score(float(cell))
                for name, cell in zip(self.proxies, row[2:-1], strict=True)
            ]
        except ValueError as error:
            raise InputError(f"{self.file.path}: the row of {row[0]} must hold scores, but {error}") from error
