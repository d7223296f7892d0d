"""Files that are written as a whole: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: Path, data: bytes, *, backup: bool = False, sync: bool = True) -> None:
    """Write ``data`` beside ``path``, and rename it to ``path``.

    Args:
        path: The file.
        data: Its new content.
        backup: Whether to keep the previous version as ``NAME.bak``; ``path`` exists at any moment.
        sync: Whether to wait for the disk, so that the content survives a failure of the machine.

    Raises:
        OSError: It cannot be written; the previous version stays.
    """
    temporary, kept = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.bak.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if backup and path.exists():
            _link(kept, path)
            kept.replace(path.with_name(f"{path.name}.bak"))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        kept.unlink(missing_ok=True)  # it stays where it is the same file as the backup that it replaces


def _link(link: Path, path: Path) -> None:
    """Make a hard link to a file, or a copy where the file system has no hard links."""
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(path)
    except (OSError, NotImplementedError):
        shutil.copyfile(path, link)


def write_output(path: Path, text: str) -> None:
    """Write a file that the user asked for.

    Raises:
        InputError: It cannot be written.
    """
    try:
        fixed = path.exists() and not (path.is_file() and os.access(path.parent, os.W_OK))
        if fixed or path.is_symlink():  # such as /dev/stdout
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path, text.encode())
    except OSError as error:
        raise InputError(f"{path} must be a file that can be written: {error.strerror}") from error
