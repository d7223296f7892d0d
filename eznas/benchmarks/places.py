"""The folders that are searched for tables: a given one, that of ``EZNAS_DATA``, and that of the configuration.

The configuration is ``eznas/config.toml`` in the folder ``XDG_CONFIG_HOME``, or in ``~/.config`` where it is not set::

    data = "~/benchmarks"
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from eznas.config import read_toml
from eznas.errors import InputError, unknown

VARIABLE = "EZNAS_DATA"
_KEY = "data"


class Place(NamedTuple):
    """A folder, and the setting that names it."""

    folder: Path
    named: str

    def __str__(self) -> str:
        mode = self.mode(self.folder)
        state = "" if stat.S_ISDIR(mode) else ", not a folder" if mode else ", not there"
        return f"{self.folder} ({self.named}{state})"

    def mode(self, path: Path) -> int:
        """Return the ``st_mode`` of the folder, or of a path in it; 0 where nothing is there.

        Raises:
            InputError: Permission is denied.
        """
        try:
            return path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            raise InputError(
                f"{self.folder} ({self.named}) must be a folder that can be read: {error.strerror}; name another one"
            ) from error


def config_path() -> Path:
    """Return the path of the user's configuration, which need not exist."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    try:
        folder = Path(configured) if configured else Path.home() / ".config"
    except RuntimeError:  # the home folder is unknown, and there is no configuration
        folder = Path("~/.config")
    return folder / "eznas" / "config.toml"


def places(folder: Path | None = None) -> list[Place]:
    """Return the folders that are searched for tables, in that order.

    Args:
        folder: A folder to search first.

    Raises:
        InputError: The configuration is faulty.
    """
    named, configured = os.environ.get(VARIABLE), _configured()
    return [
        Place(Path(path), name)
        for path, name in ((folder, "given"), (named, VARIABLE), (configured, f"{_KEY} in {config_path()}"))
        if path
    ]


def find_table(benchmark: str, dataset: str, folder: Path | None = None) -> Path | None:
    """Return the first ``BENCHMARK_DATASET.csv`` or ``.csv.gz`` in ``places``; None where there is none.

    Raises:
        InputError: The configuration is faulty, or a folder cannot be read.
    """
    for place in places(folder):
        for ending in (".csv", ".csv.gz"):
            path = place.folder / f"{benchmark}_{dataset}{ending}"
            if stat.S_ISREG(place.mode(path)):
                return path
    return None


def looked_in(folder: Path | None = None) -> str:
    """Return the folders that are searched for tables, in words, or how to name one."""
    named = "; ".join(map(str, places(folder)))
    return named or f"nowhere: neither {VARIABLE} nor {_KEY} in {config_path()} is given"


def _configured() -> Path | None:
    """Return the folder that the configuration names."""
    path = config_path()
    if not stat.S_ISREG(Place(path.parent, "the configuration's").mode(path)):
        return None
    settings = read_toml(path)
    for key in settings:
        if key != _KEY:
            raise InputError(f"{path}: {unknown('key', key, (_KEY,))}")
    value = settings.get(_KEY)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise InputError(f"{path}: {_KEY} must be the path of a folder, got {value!r}")
    try:
        folder = Path(value).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {_KEY} must be a path whose home folder is known, got {value!r}") from error
    if not folder.is_absolute():
        raise InputError(f"{path}: {_KEY} must be an absolute path, or begin with ~, got {value!r}")
    return folder
