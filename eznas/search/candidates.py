"""The candidates that a model ranks: edits of the best architectures, random ones, or the whole space."""

from __future__ import annotations

from dataclasses import dataclass

from eznas.errors import InputError

BATCH = 10
"""Queries of a round: the fewest candidates."""


@dataclass(frozen=True)
class CandidatePlan:
    """How the candidates of a round are made.

    Args:
        kind: ``"edits"`` of the best architectures, ``"random"`` ones, or ``"all"`` functions that were not queried.
        count: Their number; 0 for all.
    """

    kind: str
    count: int

    @classmethod
    def parse(cls, text: str) -> CandidatePlan:
        """Read ``N`` for edits, ``random:N``, or ``all``.

        Raises:
            InputError: The text has another form, or the number is below ``BATCH``.
        """
        if text.strip() == "all":
            return cls("all", 0)
        kind, colon, number = text.strip().rpartition(":")
        if (colon and kind != "random") or not number.isdecimal() or int(number) < BATCH:
            raise InputError(
                f"candidates must be N, random:N or all, with N of {BATCH} or more, got {text!r}",
                parameters=("candidates",),
            )
        return cls(kind or "edits", int(number))
