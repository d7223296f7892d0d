"""Checks that a run directory is the run that an experiment asks for, before the experiment uses its results."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from eznas.config import build_config, read_toml
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from eznas.fields import Options

_WITHOUT_EFFECT = ("report", "workers")
"""Options that do not change the result of a run."""


def check_run(
    directory: Path, model: type[Options], options: Mapping[str, Any], files: Sequence[Path], parameter: str
) -> None:
    """Check the options of a run, and the content of its files.

    Args:
        directory: The run directory.
        model: The configuration of the run.
        options: The options that the run must have; the others must have their defaults.
        files: Files of accuracies or scores that the run must have read with their present content.
        parameter: The parameter that chooses another folder, for the message.

    Raises:
        InputError: The run has other options, or a file has changed.
    """
    wanted, made = build_config(model, options).as_toml(), read_toml(directory / "config.toml")
    for name in sorted({*wanted, *made} - {*_WITHOUT_EFFECT}):
        if wanted.get(name) != made.get(name):
            raise InputError(
                f"{directory} must be a run with {name} {wanted.get(name)!r}, it has {made.get(name)!r}; choose "
                f"another folder with {parameter}",
                parameters=(parameter,),
            )
    data = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))["data"]
    read = {facts["sha256"] for facts in data.values()}
    if any(hashlib.sha256(file.read_bytes()).hexdigest() not in read for file in files):
        raise InputError(f"{directory} must be a run over the same files, their content has changed")
