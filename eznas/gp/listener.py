"""What evolution tells whoever watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Listener", "Silent"]


class Listener(Protocol):
    """Watches a run; the command line shows it, tests record it."""

    def stage(self, name: str, total: int) -> None:
        """A stage of ``total`` steps begins, such as visiting the networks for new reductions."""

    def advance(self) -> None:
        """One step of the stage is done."""

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        """A generation is done; the record is the logbook's row."""

    def message(self, text: str) -> None:
        """Something worth a line happened."""


class Silent:
    """Watches nothing."""

    def stage(self, name: str, total: int) -> None:
        """Ignore it."""

    def advance(self) -> None:
        """Ignore it."""

    def generation(self, record: Mapping[str, float | int | str]) -> None:
        """Ignore it."""

    def message(self, text: str) -> None:
        """Ignore it."""
