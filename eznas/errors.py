"""The errors that people see: what must hold, what was got, and what to do."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class EznasError(Exception):
    """Base of every error that eznas raises on purpose."""


class InputError(EznasError):
    """An input cannot be used; command lines exit with code 2.

    Args:
        message: What must hold, what was given, and what to do.
        parameters: The words of the message that are names of parameters, such as ``("batch_size",)``; see
            ``with_names``.
    """

    def __init__(self, message: str, *, parameters: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.parameters = tuple(parameters)


class OutOfTimeError(EznasError):
    """A deadline passed before a computation that is of no use in part was complete."""


class MemoryLimitError(EznasError):
    """A computation needs more memory than it may take; the message says how much."""


class UndefinedError(EznasError):
    """A measure's formula has no value on a network; the message says why."""


NETWORK_FAILURES = (Exception, SystemExit)
"""Everything that importing, building or running a user's code may raise, except an interrupt.

A network that raises one of these fails alone; the run goes on with the other networks.
"""


def with_names(error: Exception, names: Mapping[str, str]) -> str:
    """Return an error's message with the names of parameters replaced, each where it first occurs.

    Only the words that ``InputError.parameters`` lists are replaced, and not inside a quotation, path or longer name:
    with ``{"batch_size": "--batch-size"}``, "batch_size must be at least 2, got 1" becomes "--batch-size must be at
    least 2, got 1".

    Args:
        error: Any error.
        names: What to write for a parameter, such as its flag; a parameter that is missing here keeps its name.
    """
    text = str(error)
    for parameter in getattr(error, "parameters", ()):
        word = rf"""(?<![\w'"./:-]){re.escape(parameter)}(?![\w'"/]|[.:-]\w)"""
        text = re.sub(word, names.get(parameter, parameter), text, count=1)
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None where none is similar."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), None)


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for an unknown name, with the nearest known one.

    Args:
        what: The noun, such as ``"measure"``.
        name: The unknown name.
        known: The names that exist.
    """
    names = sorted(known)
    guess = nearest(name, names)
    hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(names[:40])}"
    return InputError(f"unknown {what} {name!r}; {hint}")
