"""Callables that people name on command lines, as ``package.module:callable``."""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.errors import NETWORK_FAILURES, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["load_callable", "module_digest"]


def load_callable(place: str, option: str) -> Callable[..., Any]:
    """Import a callable; its module is looked for in the current directory too.

    Args:
        place: ``package.module:callable``.
        option: What it was given as, for messages.

    Raises:
        InputError: There is no such callable, or its module raises.
    """
    module_name, colon, name = place.partition(":")
    if not (module_name and colon and name) or module_name.startswith("."):
        raise InputError(f"{option} must be MODULE:CALLABLE, such as mypackage.models:small, got {place!r}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except NETWORK_FAILURES as error:
        raise InputError(
            f"{option} must name a module that can be imported, {module_name} raised {type(error).__name__}: {error}"
        ) from error
    found: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(found):
        raise InputError(f"{option} must name a callable, and {module_name} has no callable {name!r}")
    return found


def module_digest(name: str) -> str:
    """Return the digest that the file of an imported module had when this was first asked; empty without a file."""
    module = sys.modules.get(name)
    return "" if module is None else _digest(module)


@functools.cache
def _digest(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
