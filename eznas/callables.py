"""Callables that are named as ``package.module:callable``."""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from eznas.errors import NETWORK_FAILURES, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature


class CallableModule(ModuleType):
    """A module that is also the function of its name in ``eznas.api``.

    ``eznas.search(...)`` then works whether or not the package ``eznas.search`` was imported before. A module becomes
    callable by ``sys.modules[__name__].__class__ = CallableModule``.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._function()(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        """The function's signature."""
        import inspect

        return inspect.signature(self._function())

    def _function(self) -> Callable[..., Any]:
        name = self.__name__.rpartition(".")[2]
        function: Callable[..., Any] = getattr(importlib.import_module(f"eznas.api.{name}"), name)
        return function


def load_callable(place: str, parameter: str) -> Callable[..., Any]:
    """Import a callable; its module may be in the current directory.

    Args:
        place: ``package.module:callable``.
        parameter: The name of the parameter that holds the place, for messages.

    Raises:
        InputError: There is no such callable, or its module raises.
    """
    names = (parameter,)
    module_name, colon, name = place.partition(":")
    if not (module_name and colon and name) or module_name.startswith("."):
        message = f"{parameter} must be MODULE:CALLABLE, such as mypackage.models:small, got {place!r}"
        raise InputError(message, parameters=names)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except NETWORK_FAILURES as error:
        raised = f"{module_name} raised {type(error).__name__}: {error}"
        raise InputError(f"{parameter} must name a module that can be imported, {raised}", parameters=names) from error
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{parameter} must name a callable, {module_name} has no callable {name!r}", parameters=names)
    return function


def module_digest(name: str) -> str:
    """Return the digest of an imported module's file at the first call; empty without a file."""
    module = sys.modules.get(name)
    return "" if module is None else _digest(module)


@functools.cache
def _digest(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
