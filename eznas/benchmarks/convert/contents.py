"""The contents of official files, with errors that name the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def read_bytes(path: Path) -> bytes:
    """Return the contents of a file.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} must be a file that can be read: {error.strerror}") from error


def parse_json(data: bytes, place: object) -> object:
    """Return the value that json holds.

    Raises:
        InputError: It is not json; the message begins with ``place``.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} must be a whole json file, but reading it failed: {error}") from error


def read_json(path: Path) -> object:
    """Return the contents of a json file.

    Raises:
        InputError: The file cannot be read, or is not json.
    """
    return parse_json(read_bytes(path), path)
