"""A cache of the values of reductions on networks, in one SQLite file.

A row is found by digests of the network (how it is built and run) and of the reduction's text. It has a checksum: a row
that does not match it counts as unknown. A database that SQLite cannot read is renamed, and an empty one takes its
place. So a damaged, full or missing disk costs time only: networks run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from typing_extensions import Self


_SCHEMA = """
CREATE TABLE IF NOT EXISTS networks (network BLOB PRIMARY KEY, written INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
    network BLOB NOT NULL, reduction BLOB NOT NULL, checksum BLOB NOT NULL, numbers BLOB NOT NULL,
    PRIMARY KEY (network, reduction)
) WITHOUT ROWID;
"""
_MAGIC = b"SQLite format 3\0"
_PATIENCE = 30.0
"""Seconds to wait for another process that writes."""


class VectorStore:
    """Vectors of reductions by network; safe under several processes.

    Failures of the disk do not raise. Rows that cannot be read are unknown. After the first failure to write,
    nothing more is written, with one message.

    Args:
        path: The file; it and its folder are created if they do not exist.
        limit: Most bytes of the file; the networks that were written to longest ago make room.
        message: Called once with each kind of failure.

    Raises:
        InputError: The file is not an SQLite database.
    """

    def __init__(self, path: Path, limit: int = 2**30, message: Callable[[str], None] = lambda _: None) -> None:
        self._path, self._limit, self._message = path, limit, message
        self._told: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        self._writes = True
        if path.is_dir():
            raise InputError(f"{path} must be a new file or an SQLite database, and it is a folder; choose a file")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError), path.open("rb") as file:
            if (head := file.read(len(_MAGIC))) and head != _MAGIC:
                raise InputError(f"{path} must be a new file or an SQLite database, got {head!r}; choose another file")
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the store is empty from here on."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def load(self, network: str, reductions: Sequence[str]) -> NDArray[np.float64] | None:
        """Return ``r x u`` numbers, or None unless all of them are known.

        Args:
            network: Names the network and everything else that its vectors depend on.
            reductions: ``r`` texts.
        """
        key = _digest(network)
        with self._trouble("read"):
            vectors: list[NDArray[np.float64]] = []
            for text in reductions:
                vector = _checked(key, text, self._row(key, text))
                if vector is None:
                    return None
                vectors.append(vector)
            if len({len(vector) for vector in vectors}) == 1:
                return np.stack(vectors)
        return None

    def save(self, network: str, reductions: Sequence[str], vectors: NDArray[np.float64]) -> None:
        """Store ``r x u`` numbers in place of earlier ones of these reductions on this network."""
        key = _digest(network)
        rows = []
        for text, vector in zip(reductions, vectors, strict=True):
            numbers = np.ascontiguousarray(vector, dtype="<f8").tobytes()
            rows.append((key, _digest(text), _checksum(key, text, numbers), numbers))
        with self._trouble("written"):
            if self._connection is None or not self._writes:
                return
            with self._connection:  # one transaction: all or nothing
                self._connection.execute(
                    "INSERT OR REPLACE INTO networks SELECT ?, coalesce(max(written), 0) + 1 FROM networks", (key,)
                )
                self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            self._make_room()

    def _row(self, key: bytes, reduction: str) -> tuple[bytes, bytes] | None:
        if self._connection is None:
            return None
        query = "SELECT checksum, numbers FROM vectors WHERE network = ? AND reduction = ?"
        row: tuple[bytes, bytes] | None = self._connection.execute(query, (key, _digest(reduction))).fetchone()
        return row

    def _open(self) -> None:
        with self._trouble("opened"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_PATIENCE)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)

    def _make_room(self) -> None:
        connection = self._connection
        while connection is not None and self._bytes(connection) > self._limit:
            with connection:
                oldest = [
                    row[0] for row in connection.execute("SELECT network FROM networks ORDER BY written LIMIT 16")
                ]
                if not oldest:
                    return
                for table in ("vectors", "networks"):
                    connection.executemany(f"DELETE FROM {table} WHERE network = ?", [(key,) for key in oldest])  # noqa: S608

    @staticmethod
    def _bytes(connection: sqlite3.Connection) -> int:
        """Return the bytes of pages in use; pages that became free are written again before the file grows."""
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    @contextlib.contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:  # a full or read-only disk, a lock that nobody lets go of
            then = "what it may hold is computed again" if what == "read" else "the run goes on without it"
            self._writes = self._writes and what == "read"
            self._tell(f"{self._path} cannot be {what} ({error}); {then}")
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # not of the file
                raise
            aside = self._path.with_name(f"{self._path.name}.damaged")
            self._tell(f"{self._path} is damaged ({error}); it is now {aside.name}, and an empty one takes its place")
            self._put_aside(aside)

    def _put_aside(self, aside: Path) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        if not self._path.exists():
            self._open()

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._message(text)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _checksum(network: bytes, reduction: str, numbers: bytes) -> bytes:
    return hashlib.blake2b(network + _digest(reduction) + numbers, digest_size=16).digest()


def _checked(network: bytes, reduction: str, row: tuple[bytes, bytes] | None) -> NDArray[np.float64] | None:
    """Return the numbers of a row, or None without a row or with a wrong checksum."""
    if row is None or row[0] != _checksum(network, reduction, row[1]):
        return None
    return np.frombuffer(row[1], dtype="<f8").astype(np.float64)
