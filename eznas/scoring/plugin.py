"""Measures in a user's own file.

A plugin is a Python file that registers measures with ``eznas.measures.measure`` or ``eznas.measures.reading``. It is
imported, so it can do whatever its author likes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from eznas.errors import NETWORK_FAILURES, InputError
from eznas.measures.registry import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.measures.registry import Measure

__all__ = ["load_plugin", "plugin_of"]

_loaded: dict[str, tuple[str, ...]] = {}


def load_plugin(file: Path | str) -> tuple[str, ...]:
    """Import a file once, and return the names of the measures that it registers.

    One that fails leaves no measure behind, so that it can be loaded once it is mended.

    Args:
        file: A Python file.

    Raises:
        InputError: It cannot be imported, or registers no measure.
    """
    path = Path(file).resolve()
    if str(path) in _loaded:
        return _loaded[str(path)]
    if not path.is_file():
        raise InputError(f"a plugin must be a Python file that exists, got {file}")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]  # files of one name do not clash
    spec = importlib.util.spec_from_file_location(f"eznas_plugin_{path.stem}_{digest}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"a plugin must be a Python file, whose name ends in .py, got {file}")
    module, known = importlib.util.module_from_spec(spec), dict(MEASURES)
    with contextlib.ExitStack() as undo:
        undo.callback(_forget, spec.name, known)
        sys.modules[spec.name] = module  # where dataclasses and the like look their module up
        try:
            spec.loader.exec_module(module)
        except NETWORK_FAILURES as error:
            sentence = f"the plugin {file} must be importable, it raised {type(error).__name__}: {error}"
            raise InputError(sentence) from error
        names = tuple(name for name in MEASURES if name not in known)
        if not names:
            raise InputError(
                f"the plugin {file} must register a measure with eznas.measures.measure, it registers none"
            )
        undo.pop_all()
    _loaded[str(path)] = names
    return names


def _forget(module: str, known: Mapping[str, Measure]) -> None:
    sys.modules.pop(module, None)
    records = MEASURES._records  # noqa: SLF001 - nothing else ever takes a record back
    records.clear()
    records.update(known)


def plugin_of(name: str) -> str:
    """Return the file of a measure that a plugin registered, and nothing for any other."""
    return next((path for path, names in _loaded.items() if name in names), "")
