"""The scores of networks in a run directory's journal, so that a resumed search does not compute them again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eznas.search.signals import Observation
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.run import RunDirectory


class ScoreJournal:
    """Reads and appends the scores of networks.

    Args:
        directory: The run directory.
        advance: Is called after each score.
    """

    def __init__(self, directory: RunDirectory, advance: Callable[[], None]) -> None:
        self._directory = directory
        self._advance = advance
        self._entries = [entry for entry in directory.journal() if entry["event"] == "score"]

    def scores(self, signal: str, direction: int) -> dict[str, Observation]:
        """Return the scores of a signal by architecture.

        Raises:
            InputError: The directory began with another version of torch or the numerics.
        """
        self._directory.check_versions()
        return {
            entry["architecture"]: Observation.of(
                Score(math.nan if entry["value"] is None else entry["value"], Status(entry["status"]), entry["detail"]),
                entry["seconds"],
                direction=direction,
            )
            for entry in self._entries
            if entry["signal"] == signal
        }

    def add(self, signal: str, architecture: str, observation: Observation) -> None:
        """Append the score of a network."""
        score = observation.score
        self._directory.append(
            {
                "event": "score",
                "signal": signal,
                "architecture": architecture,
                "value": score.value if score.ok else None,
                "status": score.status.value,
                "detail": score.detail,
                "seconds": observation.seconds,
            }
        )
        self._advance()
