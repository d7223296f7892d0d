"""A CSV file to which rows are appended as they are computed, so that a stopped command can resume.

``FILE.state.json`` beside it names all that the rows depend on.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


class AppendedCsv:
    """The file.

    Args:
        path: Its path.
        columns: The names of the columns.
        state: Everything that the rows depend on, as JSON has it; a file with another state is not resumed.
    """

    def __init__(self, path: Path, columns: Sequence[str], state: Mapping[str, Any]) -> None:
        self.path, self.columns, self.state = path, list(columns), dict(state)

    def begin(self, *, resume: bool) -> list[list[str]]:
        """Write the header, or read the rows of an existing file.

        Args:
            resume: Whether to resume an existing file, which is refused otherwise.

        Returns:
            The complete rows of the file.

        Raises:
            InputError: The file has another state, is not such a file, or cannot be written.
        """
        there = self.path.is_file() and self.path.stat().st_size > 0
        if there and not resume:
            raise InputError(f"{self.path} must be a new file: it has content; choose another file, or resume this one")
        rows = self._read() if there else []
        with self._writing():
            if not rows:  # at no moment does a state belong to other rows
                self._state_path().unlink(missing_ok=True)
                replace_file(self.path, _text([self.columns]).encode())
            replace_file(self._state_path(), (json.dumps(self.state, indent=2) + "\n").encode())
        return rows

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Append rows; a process that is killed after this returns loses none of them.

        Raises:
            InputError: They cannot be written, such as on a full disk.
        """
        with self._writing(), self.path.open("a", encoding="utf-8") as file:
            file.write(_text(rows))

    def rewrite(self, rows: Iterable[Sequence[object]]) -> None:
        """Write the file anew with these rows."""
        with self._writing():
            replace_file(self.path, _text([self.columns, *rows]).encode())

    def mark(self, item: str) -> None:
        """Write down that an item runs now, in ``FILE.running``, which stays if the process is killed."""
        with self._writing():
            replace_file(self._running_path(), item.encode(), sync=False)

    def marked(self) -> str | None:
        """Return the item that ran when the process was killed; None where it was not."""
        try:
            return self._running_path().read_text(encoding="utf-8")
        except OSError:
            return None

    def unmark(self) -> None:
        """Write down that no item runs."""
        self._running_path().unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path} must be a file that can be written: {error.strerror}") from error

    def _running_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.running")

    def _state_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.state.json")

    def _read(self) -> list[list[str]]:
        try:
            text = self.path.read_text(encoding="utf-8")
            if text == _text([self.columns]) and not self._state_path().exists():
                return []  # stopped before the first row
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path} must be a CSV file that can be resumed, but it is not readable") from error
        try:
            before = json.loads(self._state_path().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} must have {self._state_path().name} beside it to be resumed, as the file had when it was "
                "begun; choose another file"
            ) from error
        for name, value in self.state.items():
            if not isinstance(before, dict) or before.get(name) != value:
                was = before.get(name) if isinstance(before, dict) else None
                raise InputError(
                    f"{self.path} must be resumed as it was begun, with {name} {was!r:.200}, got {value!r:.200}; give "
                    "the same, or another file"
                )
        whole = text[: text.rfind("\n") + 1]  # an incomplete line is computed again
        rows = list(csv.reader(io.StringIO(whole)))
        if not rows or rows[0] != self.columns:
            raise InputError(f"{self.path} must begin with the columns that it was written with")
        if whole != text:
            with self._writing():
                replace_file(self.path, whole.encode())
        return [row for row in rows[1:] if len(row) == len(self.columns)]


def _text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
