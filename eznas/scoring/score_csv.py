"""A CSV file of scores, to which each scored architecture is appended, so that a stopped command can resume.

The columns are ``architecture``, ``accuracy``, one for each proxy, and ``status``: ``ok``, or the proxies without a
value and the reason, as in ``naswot: non_finite``. ``FILE.state.json`` beside it names all that scores depend on.
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


_FIRST, _LAST = ["architecture", "accuracy"], "status"


class ScoreCsv:
    """The file.

    Args:
        path: Its path.
        proxies: The proxies' names, in the order of scores.
        state: Everything that the scores depend on; a file with another state is not resumed.
    """

    def __init__(self, path: Path, proxies: Sequence[str], state: Mapping[str, Any]) -> None:
        self.path = path
        self.proxies = list(proxies)
        self.state = {"proxies": self.proxies, **state}

    def begin(self, *, resume: bool) -> dict[str, list[Score]]:
        """Write the header, or read the rows of an existing file.

        Args:
            resume: Whether to resume an existing file, which is refused otherwise.

        Returns:
            For each architecture in the file, its scores.

        Raises:
            InputError: The file has another state, is not such a file, or cannot be written.
        """
        there = self.path.is_file() and self.path.stat().st_size > 0
        if there and not resume:
            raise InputError(f"{self.path} must be a new file: it has content; choose another file, or resume this one")
        done = self._read() if there else {}
        with self._writing():
            if not done:  # at no moment does a state belong to other rows
                self._state_path().unlink(missing_ok=True)
                replace_file(self.path, self._line([*_FIRST, *self.proxies, _LAST]).encode())
            replace_file(self._state_path(), (json.dumps(self.state, indent=2) + "\n").encode())
        return done

    def add(self, architecture: str, accuracy: float, scores: Sequence[Score]) -> None:
        """Append one architecture; it is on disk when this returns.

        Raises:
            InputError: It cannot be written, such as on a full disk.
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
        failed = [
            f"{name}: {score.status.value}" for name, score in zip(self.proxies, scores, strict=True) if not score.ok
        ]
        values = [score.value if score.ok else None for score in scores]
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
                return {}  # stopped before the first row
            before = json.loads(self._state_path().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} cannot be resumed: {self._state_path().name} beside it must be readable: {error}"
            ) from error
        for name, value in self.state.items():
            if not isinstance(before, dict) or before.get(name) != value:
                was = before.get(name) if isinstance(before, dict) else None
                raise InputError(
                    f"{self.path} must be resumed as it was begun, with {name} {was!r:.200}, got {value!r:.200}; give "
                    "the same, or another file"
                )
        whole = text[: text.rfind("\n") + 1]  # an incomplete line is scored again
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
