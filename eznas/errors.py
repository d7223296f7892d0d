"""The errors that people see: what must hold, what was got, and what to do."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NETWORK_FAILURES", "EznasError", "InputError", "UndefinedError", "nearest", "unknown"]


class EznasError(Exception):
    """Base of every error that eznas raises on purpose."""


class InputError(EznasError):
    """Something that the user gave cannot be used; command lines exit with code 2."""


class UndefinedError(EznasError):
    """A measure's formula has no value on a network; the sentence says why."""


NETWORK_FAILURES = (Exception, SystemExit)
"""What importing, building or running somebody's code may raise: anything but an interrupt.

Where that is a network among many, it costs this network its scores and nothing else.
"""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None where nothing is alike."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for an unknown name, with the nearest known one.

    Args:
        what: The noun, such as ``"measure"``.
        name: What was asked for.
        known: The names that exist.
    """
    names = sorted(known)
    guess = nearest(name, names)
    hint = f"did you mean {guess!r}?" if guess else f"known: {', '.join(names[:40])}"
    return InputError(f"unknown {what} {name!r}; {hint}")
