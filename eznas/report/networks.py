"""The networks of an evolution, from its run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eznas.run import RunDirectory


def networks_seen(directory: RunDirectory, space: str) -> set[str]:
    """Return the architectures of a search space that a run trained or validated programs on.

    Raises:
        InputError: The run directory does not list its networks.
    """
    rows = directory.read_csv("networks.csv")
    return {row["architecture"] for row in rows if row["space"] == space and row["part"] != "test"}
