"""Checks of output files before a long computation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def check_files(inputs: Mapping[str, Path | Sequence[Path] | None], outputs: Mapping[str, Path | None]) -> None:
    """Refuse outputs that cannot be written, or that are the same file as another output or an input.

    Args:
        inputs: By flag, a file or several files that are read; None for one that is not given.
        outputs: By flag, files that are written.

    Raises:
        InputError: An output cannot be used.
    """
    read = [[given] if isinstance(given, Path) else given for given in inputs.values() if given is not None]
    resolved_inputs = {file.resolve() for files in read for file in files}
    written = [file.resolve() for file in outputs.values() if file is not None]
    if len({*written}) < len(written) or not resolved_inputs.isdisjoint(written):
        *flags, last = [*outputs, *inputs]
        raise InputError(f"{', '.join(flags)} and {last} must be different files")
    for file in filter(None, outputs.values()):
        if not file.parent.is_dir():
            raise InputError(f"{file.parent} must be a folder that exists, to write {file.name} there")
        if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
            raise InputError(f"{file} must be a file that can be written")


def json_path(json_file: str | None) -> Path | None:
    """Return the file of ``--json``; None for standard output or without one."""
    return None if json_file in (None, "-") else Path(str(json_file))
