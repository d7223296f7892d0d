"""Scores of every architecture in a CSV that grows with the work, so that what was stopped can go on.

The columns are ``architecture``, ``accuracy``, one a proxy, and ``status``: ``ok``, or which proxies have no value and
why, as in ``naswot: non_finite``. Beside the file stands ``FILE.state.json``: what the scores depend on.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.files import replace_file
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["ScoreCsv"]

_FIRST, _LAST = ["architecture", "accuracy"], "status"


class ScoreCsv:
    """The file.

    Args:
        path: Where it stands.
        proxies: The proxies' names, in the order of scores.
        state: What the scores depend on; a file with another state is not gone on with.
    """

    def __init__(self, path: Path, proxies: Sequence[str], state: Mapping[str, Any]) -> None:
        self.path = path
        self.proxies = list(proxies)
        self.state = {"proxies": self.proxies, **state}

    def begin(self, *, resume: bool) -> dict[str, list[Score]]:
        """Write the header, or read what is there already.

        Args:
            resume: Whether to go on with a file that is there; one that holds anything is refused otherwise.

        Returns:
            For each architecture in the file, its scores.

        Raises:
            InputError: The file was written under other circumstances, is no such file, or cannot be written.
        """
        there = self.path.is_file() and self.path.stat().st_size > 0
        if there and not resume:
            raise InputError(
                f"{self.path} must be a new file, or be gone on with by --resume: it holds something already"
            )
        done = self._read() if there else {}
        with self._writing():
            if not done:  # no state stands beside the rows of another, whenever this is stopped
                self._state_path().unlink(missing_ok=True)
                replace_file(self.path, self._line([*_FIRST, *self.proxies, _LAST]).encode())
            replace_file(self._state_path(), (json.dumps(self.state, indent=2) + "\n").encode())
        return done

    def add(self, architecture: str, accuracy: float, scores: Sequence[Score]) -> None:
        """Append one architecture; it is on disk when this returns.

        Raises:
            InputError: The disk does not take it.
        """
        with self._writing(), self.path.open("a", encoding="utf-8") as file:
            file.write(self._row(architecture, accuracy, scores))

    def finish(self, rows: Sequence[tuple[str, float, Sequence[Score]]]) -> None:
        """Write the file anew, in the order of rows."""
        lines = [self._line([*_FIRST, *self.proxies, _LAST]), *(self._row(*row) for row in rows)]
        with self._writing():
            replace_file(self.path, "".join(lines).encode())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path} must be a file that can be written: {error.strerror}") from error

    def _row(self, architecture: str, accuracy: float, scores: Sequence[Score]) -> str:
        failed = [f"{name}: {one.status.value}" for name, one in zip(self.proxies, scores, strict=True) if not one.ok]
        values = [one.value if one.ok else None for one in scores]
        return self._line([architecture, accuracy, *values, "; ".join(failed) or Status.OK.value])

    def _line(self, cells: Sequence[object]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        return text.getvalue()

    def _state_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.state.json")

    def _read(self) -> dict[str, list[Score]]:
        try:
            text = self.path.read_text(encoding="utf-8")
            if text == self._line([*_FIRST, *self.proxies, _LAST]) and not self._state_path().exists():
                return {}  # stopped before there was anything to go on with
            before = json.loads(self._state_path().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} cannot be gone on with, since {self._state_path().name} beside it cannot be read: {error}"
            ) from error
        for name, value in self.state.items():
            if not isinstance(before, dict) or before.get(name) != value:
                was = before.get(name) if isinstance(before, dict) else None
                raise InputError(
                    f"{self.path} can only be gone on with as it was begun, with {name} {was!r:.200}, "
                    f"got {value!r:.200}; give the same, or another file"
                )
        whole = text[: text.rfind("\n") + 1]  # a line that was cut off is scored again
        rows = list(csv.reader(io.StringIO(whole)))
        if not rows or rows[0] != [*_FIRST, *self.proxies, _LAST]:
            raise InputError(f"{self.path} must begin with the columns that it was written with")
        if whole != text:
            with self._writing():
                replace_file(self.path, whole.encode())
        return {row[0]: self._scores(row) for row in rows[1:] if len(row) == len(rows[0])}

    def _scores(self, row: list[str]) -> list[Score]:
        try:
            failed = {} if row[-1] == Status.OK.value else dict(part.rsplit(": ", 1) for part in row[-1].split("; "))
            return [
                Score.failed(Status(failed[name])) if name in failed else Score(float(cell))
                for name, cell in zip(self.proxies, row[2:-1], strict=True)
            ]
        except ValueError as error:
            raise InputError(f"{self.path}: the row of {row[0]} must hold scores, but {error}") from error
