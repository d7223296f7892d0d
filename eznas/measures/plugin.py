"""Measures in a user's own file.

A plugin is a Python file that registers measures with ``eznas.measures.measure`` or ``eznas.measures.reading``. It is
imported, so it can do whatever its author likes.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from eznas.errors import NETWORK_FAILURES, InputError
from eznas.measures.registry import MEASURES

__all__ = ["load_plugin", "plugin_of"]

_FAILURES = (*NETWORK_FAILURES, AssertionError, ImportError, OSError, SyntaxError)
"""What importing somebody's file may raise."""

_loaded: dict[str, tuple[str, ...]] = {}


def load_plugin(file: Path | str) -> tuple[str, ...]:
    """Import a file once, and return the names of the measures that it registers.

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
    known = set(MEASURES)
    spec = importlib.util.spec_from_file_location(f"eznas_plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"a plugin must be a Python file, whose name ends in .py, got {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and the like look their module up
    try:
        spec.loader.exec_module(module)
    except _FAILURES as error:
        raise InputError(f"the plugin {file} must be importable, it raised {type(error).__name__}: {error}") from error
    names = tuple(name for name in MEASURES if name not in known)
    if not names:
        raise InputError(f"the plugin {file} must register a measure with eznas.measures.measure, it registers none")
    _loaded[str(path)] = names
    return names


def plugin_of(name: str) -> str:
    """Return the file of a measure that a plugin registered, and nothing for any other."""
    return next((path for path, names in _loaded.items() if name in names), "")
