"""A registry: named records of facts, refusing duplicates, suggesting the nearest name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from typing import Generic, TypeVar

from eznas.errors import InputError, unknown

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to records.

    Args:
        what: The noun for a record in messages, such as ``"measure"``.
        name_of: Returns the name of a record.
        modules: Modules that register the built-in records; they are imported before the first look-up. A name that
            ends in ``.*`` stands for every public module of that package.
    """

    def __init__(self, what: str, name_of: Callable[[T], str], modules: Iterable[str] = ()) -> None:
        self.what = what
        self._name_of = name_of
        self._modules = tuple(modules)
        self._records: dict[str, T] = {}

    def register(self, record: T, *, replace: bool = False) -> T:
        """Add a record and return it.

        Raises:
            InputError: The name is taken and ``replace`` is false. Where it is a built-in record's name and these are
                not imported yet, the first look-up raises.
        """
        if replace:
            self._ready()
        name = self._name_of(record)
        if name in self._records and not replace:
            raise self._taken(name)
        self._records[name] = record
        return record

    def restore(self, records: Mapping[str, T | None]) -> None:
        """Put earlier records back under their names; None takes the present record out."""
        for name, record in records.items():
            if record is None:
                del self._records[name]
            else:
                self._records[name] = record

    def matching(self, pattern: str) -> list[T]:
        """Return the records whose names match a shell pattern such as ``'eznas*'``, by name.

        Raises:
            InputError: No name matches.
        """
        records = [self[name] for name in self if fnmatch(name, pattern)]
        if not records:
            raise InputError(f"no {self.what} matches {pattern!r}; known: {', '.join(self)}")
        return records

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

    def __repr__(self) -> str:
        return f"<Registry with a {self.what} for each of {len(self)} names: {', '.join(list(self)[:4])}, ...>"

    def _ready(self) -> None:
        if not self._modules:
            return
        modules, self._modules = self._modules, ()
        early, self._records = self._records, {}
        try:
            for name in modules:
                for module in _expanded(name):
                    importlib.import_module(module)
        except BaseException:
            self._modules = modules  # the next look-up tries again
            raise
        finally:
            clash = next((name for name in early if name in self._records), None)
            self._records = {**early, **self._records}
        if clash is not None:
            raise self._taken(clash)

    def _taken(self, name: str) -> InputError:
        return InputError(f"{self.what} {name!r} is registered already; choose another name or set replace")


def _expanded(name: str) -> list[str]:
    """Return the module of a name, or the public modules of the package in front of ``.*``."""
    package, wildcard, _ = name.partition(".*")
    if not wildcard:
        return [name]
    members = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return [f"{package}.{member.name}" for member in members if not member.name.startswith("_")]
