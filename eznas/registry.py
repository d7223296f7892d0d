"""A registry: named records of facts, refusing duplicates, suggesting the nearest name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from typing import Generic, TypeVar

from eznas.errors import InputError, unknown

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to records, filled once.

    Args:
        what: The noun used in messages, such as ``"measure"``.
        name_of: How a record tells its name.
        load: Called once before the first look-up, to import the modules that register the built-in records.
    """

    def __init__(self, what: str, name_of: Callable[[T], str], load: Callable[[], None] | None = None) -> None:
        self.what = what
        self._name_of = name_of
        self._load = load
        self._records: dict[str, T] = {}

    def register(self, record: T, *, replace: bool = False) -> T:
        """Add a record and return it.

        Raises:
            InputError: The name is taken and ``replace`` is false.
        """
        name = self._name_of(record)
        if name in self._records and not replace:
            raise InputError(f"{self.what} {name!r} is registered already; choose another name or pass replace=True")
        self._records[name] = record
        return record

    def matching(self, pattern: str) -> list[T]:
        """Return the records whose names match a shell pattern such as ``'eznas*'``, by name."""
        self._ready()
        return [self._records[name] for name in sorted(self._records) if fnmatch(name, pattern)]

    def __getitem__(self, name: str) -> T:
        self._ready()
        try:
            return self._records[name]
        except KeyError:
            raise unknown(self.what, name, self._records) from None

    def __contains__(self, name: object) -> bool:
        self._ready()
        return name in self._records

    def __iter__(self) -> Iterator[str]:
        self._ready()
        return iter(sorted(self._records))

    def __len__(self) -> int:
        self._ready()
        return len(self._records)

    def _ready(self) -> None:
        load, self._load = self._load, None
        if load is not None:
            load()
