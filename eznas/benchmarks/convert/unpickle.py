"""Unpickling by an allow-list: what a file may name is listed, everything else is refused before it runs."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Record", "unpickle"]


class Record:
    """Stands in for a foreign class that only holds attributes; unpickling sets them."""


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        file: io.BytesIO,
        allowed: Mapping[tuple[str, str], Callable[..., Any]],
        source: str,
        encoding: str,
    ) -> None:
        super().__init__(file, encoding=encoding)
        self.allowed = allowed
        self.source = source

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return what stands in for a global name; nothing is imported."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise InputError(
                f"{self.source} names {module}.{name}, which such a file has no use for; it was not read, "
                "since loading it could run foreign code"
            ) from None


def unpickle(
    data: bytes,
    allowed: Mapping[tuple[str, str], Callable[..., Any]],
    source: str,
    encoding: str = "ASCII",
) -> object:
    """Return the object in a pickle that names nothing but what is allowed.

    Args:
        data: The pickle.
        allowed: For each (module, name) that it may use, the class or function to use in its stead; it must
            be harmless with any arguments.
        source: The file, for messages.
        encoding: How strings of Python 2 are read; ``"bytes"`` leaves them as they are.

    Raises:
        InputError: It names something else, or is not a whole pickle.
    """
    try:
        return _Unpickler(io.BytesIO(data), allowed, source, encoding).load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ImportError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:  # what pickle.Unpickler raises on bytes that no pickler has written
        raise InputError(f"{source} must be a whole pickle, but reading it failed: {error}") from error
