"""The run directory: the unit of resuming and of reporting.

A run directory holds::

    config.toml          every option of the run
    manifest.json        format, versions, device, seed, command, digests of the data
    journal.jsonl        events, one object a line, only ever appended to
    checkpoint.json      the state to resume from, with its digest
    vectors.sqlite       values of reductions on networks; a cache, which may be deleted
    logbook.csv  hall_of_fame.csv  summary.json  proxies/*.py  *.png

Every file but the journal and the vectors is replaced as a whole: a reader sees the old or the new one, never a part.
The previous version of the checkpoint and the halls of fame is kept as ``NAME.bak``.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from eznas.errors import InputError
from eznas.files import replace_file

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Self


FORMAT = 3
"""The version of the format of run directories; another version is refused."""

NUMERICS = 3
"""The version of the numerics: it is raised when a statistic, a reduction or a score has other last digits than before
for the same network, images and version of torch. Stored vectors of another version are not used, and evolutions and
searches over networks are not resumed."""

_LOCK = "run.lock"
_PACKAGES = ("eznas", "torch", "numpy", "deap")


def default_directory(root: Path = Path("runs")) -> Path:
    """Return a new directory's path, named by the time of day, below ``root``."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    path, count = root / stamp, 1
    while path.exists():
        count += 1
        path = root / f"{stamp}_{count}"
    return path


def versions() -> dict[str, str | None]:
    """Return the versions of the packages that results depend on, None where one is not installed, and ``NUMERICS``."""
    return {**{name: _version(name) for name in _PACKAGES}, "numerics": str(NUMERICS)}


class RunDirectory:
    """A run directory; ``RunDirectory(path)`` opens one for reading.

    Writers use ``create`` or ``resume``, which keep every other process from writing until ``close`` or
    the end of a ``with`` block.

    Args:
        path: An existing run directory.

    Raises:
        InputError: It is not a run directory, or has another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: io.BufferedRandom | None = None
        if not (path / "manifest.json").is_file():
            raise InputError(f"{path} must be a run directory{_why_not(path)}")
        written = self.manifest().get("format")
        if written != FORMAT:
            raise InputError(
                f"{path} must be a run directory of format {FORMAT}, got format {written!r}; "
                "use the version of eznas that wrote it"
            )

    @classmethod
    def create(
        cls, path: Path, config: Mapping[str, Any], *, seed: int, command: str, device: str = "auto"
    ) -> RunDirectory:
        """Make a new run directory with its configuration and manifest.

        Args:
            path: A directory that does not exist yet or is empty.
            config: The content of ``config.toml``.
            seed: The run's seed.
            command: The command line that starts the run.
            device: The requested device.

        Raises:
            InputError: The directory has content, cannot be written, or is in use.
        """
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise InputError(f"{path} must be new or empty; choose another directory, or resume the run in it")
            lock = _locked(path)
            replace_file(path / "config.toml", tomli_w.dumps(dict(config)).encode())
            manifest = {
                "format": FORMAT,
                "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "command": command,
                "seed": seed,
                "device": device,
                "python": platform.python_version(),
                "versions": versions(),
                "platform": platform.platform(),
                "data": {},
            }
            replace_file(path / "manifest.json", _json(manifest))
        run = cls(path)
        run._lock = lock
        return run

    @classmethod
    def resume(cls, path: Path) -> RunDirectory:
        """Open a run directory for more writing.

        Raises:
            InputError: It is no run directory of this format, cannot be written, or is in use.
        """
        run = cls(path)
        with _writing(path):
            run._lock = _locked(path)
            _drop_torn_line(path / "journal.jsonl")
        return run

    def discard(self) -> None:
        """Remove a new directory without results, so that its name is free again."""
        names = {"config.toml", "manifest.json", _LOCK}
        if {path.name for path in self.path.iterdir()} <= names:
            self.close()
            for name in names:
                (self.path / name).unlink(missing_ok=True)
            self.path.rmdir()

    def close(self) -> None:
        """Let other processes write again."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def manifest(self) -> dict[str, Any]:
        """Read ``manifest.json``."""
        return self.read_json("manifest.json")

    def check_versions(self) -> None:
        """Refuse to resume a run with other versions of torch or the numerics.

        Raises:
            InputError: One of them differs from the manifest.
        """
        before = {"numerics": "0", **self.manifest()["versions"]}  # earlier manifests have no numerics
        here = versions()
        for name in ("torch", "numerics"):
            if before[name] != here[name]:
                raise InputError(
                    f"the version of {name} must be the one that the run began with, {before[name]}, got {here[name]}; "
                    "resume the run with the eznas and torch that began it, or begin a new run"
                )

    def record(self, **facts: Any) -> None:
        """Add facts to the manifest, such as the resolved device and the digests of the data."""
        self.write_json("manifest.json", {**self.manifest(), **facts})

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace ``config.toml``."""
        self.write_text("config.toml", tomli_w.dumps(dict(config)))

    def write_text(self, name: str, text: str, *, backup: bool = False) -> None:
        """Replace a file as a whole.

        Args:
            name: Its path within the run directory.
            text: Its new content.
            backup: Whether to keep the previous version as ``NAME.bak``.
        """
        self.write_bytes(name, text.encode(), backup=backup)

    def write_bytes(self, name: str, data: bytes, *, backup: bool = False) -> None:
        """Replace a file as a whole; see ``write_text``.

        Raises:
            InputError: It cannot be written, such as on a full disk.
        """
        path = self.path / name
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data, backup=backup)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace a file by a JSON object."""
        self.write_bytes(name, _json(value))

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a file that holds a JSON object.

        Raises:
            InputError: It is missing or holds something else.
        """
        try:
            value = json.loads((self.path / name).read_bytes())
        except FileNotFoundError as error:
            raise self._missing(name) from error
        except OSError as error:
            raise InputError(f"{self.path / name} must be readable: {error.strerror}") from error
        except ValueError as error:
            raise InputError(f"{self.path / name} must be JSON: {error}") from error
        if not isinstance(value, dict):
            raise InputError(f"{self.path / name} must hold a JSON object, got {type(value).__name__}")
        return value

    def write_csv(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, backup: bool = False
    ) -> None:
        """Replace a file by a table; missing values are None, and are written as nothing."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        self.write_text(name, text.getvalue(), backup=backup)

    def read_csv(self, name: str) -> list[dict[str, str]]:
        """Read a table, or its previous version if the file is missing.

        Raises:
            InputError: Both are missing.
        """
        for path in (self.path / name, self.path / f"{name}.bak"):
            with contextlib.suppress(FileNotFoundError):
                return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        raise self._missing(name)

    def _missing(self, name: str) -> InputError:
        return InputError(f"{self.path} must hold {name}; if the run was stopped before it wrote the file, resume it")

    def append(self, entry: Mapping[str, Any]) -> None:
        """Append a line to ``journal.jsonl``; it is on the disk when this returns."""
        path = self.path / "journal.jsonl"
        with _writing(path), path.open("ab") as file:
            file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def journal(self) -> list[dict[str, Any]]:
        """Read ``journal.jsonl`` without an incomplete last line, as an interrupted write leaves it.

        Raises:
            InputError: Another line is not JSON.
        """
        path = self.path / "journal.jsonl"
        if not path.exists():
            return []
        lines = path.read_bytes().split(b"\n")[:-1]
        return [_entry(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]

    def write_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace ``checkpoint.json``; the previous one stays as ``checkpoint.json.bak``.

        Args:
            state: The state to resume from, as JSON with string keys only.
        """
        text = json.dumps(state)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.write_text(
            "checkpoint.json", f'{{"format": {FORMAT}, "sha256": "{digest}", "state": {text}}}\n', backup=True
        )

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Return the newest undamaged checkpoint, or None if none was ever written.

        Raises:
            InputError: All checkpoints are damaged.
        """
        paths = [self.path / "checkpoint.json", self.path / "checkpoint.json.bak"]
        for path in paths:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                whole = json.loads(path.read_bytes())
                state: dict[str, Any] = whole["state"]
                digest = hashlib.sha256(json.dumps(state).encode()).hexdigest()
                if (whole["format"], whole["sha256"]) == (FORMAT, digest):
                    return state
        if any(path.exists() for path in paths):
            raise InputError(
                f"{paths[0]} and its .bak must be undamaged; delete both to begin again: vectors.sqlite keeps the "
                "values of the networks, and the results will be the same"
            )
        return None


def _why_not(path: Path) -> str:
    """Return the rest of the sentence that a path must be a run directory."""
    if path.is_file():
        return ", but it is a file"
    if not path.exists():
        return ", but it does not exist"
    inner = sorted(manifest.parent for manifest in path.glob("*/manifest.json"))
    if inner:
        return f", but it is a folder with run directories in it, such as {inner[-1]}"
    return " with a manifest.json; an evolution, a search or the training of a supernet makes one"


def _entry(line: bytes, where: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} must be JSON, got {line[:60]!r}; delete the line to go on") from error
    return entry


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None  # such as eznas itself in a checkout that was never installed


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failure to write, such as a full disk, into a sentence."""
    try:
        yield
    except FileExistsError as error:
        raise InputError(f"{path} must be a folder or a new name, but it is a file") from error
    except OSError as error:
        raise InputError(f"{path} must be writable: {error.strerror}") from error


def _locked(path: Path) -> io.BufferedRandom:
    """Take the directory's lock; the system releases it when the process ends."""
    file = (path / _LOCK).open("a+b")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InputError(f"{path} is in use by another process; wait for it, or choose another directory") from error
    return file


def _drop_torn_line(path: Path) -> None:
    """Cut a last line without its end, so that the next entry does not continue it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
