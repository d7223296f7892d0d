"""Progress of a long computation, as the library reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Progress:
    """Ignores every report; the command line, notebooks and tests override the methods that they show.

    A computation consists of stages, and a stage of steps such as networks.
    """

    def stage(self, name: str, steps: int) -> None:
        """Begin a stage of ``steps`` steps."""

    def advance(self) -> None:
        """Complete one step of the stage."""

    def status(self, text: str) -> None:
        """Show a line that the next status replaces."""

    def message(self, text: str) -> None:
        """Show a line that stays."""

    def remaining(self, seconds: float) -> None:
        """Estimate the seconds until the whole computation ends."""

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        """Complete a generation of an evolution; ``record`` is the logbook's row.

        An exception ``StopIteration`` ends the evolution there.
        """


SILENT = Progress()
"""Ignores every report."""
