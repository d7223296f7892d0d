"""The networks of an evolution, from its run directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.config import read_toml, run_kind
from eznas.errors import InputError

if TYPE_CHECKING:
    from eznas.run import RunDirectory


def networks_seen(directory: RunDirectory, space: str) -> set[str]:
    """Return the architectures of a search space that a run trained or validated programs on.

    Raises:
        InputError: The run is not an evolution on networks, or its directory does not list its networks.
    """
    kind = run_kind(read_toml(directory.path / "config.toml"))
    if kind != "an evolution":
        raise InputError(
            f"{directory.path} must be the directory of an evolution on networks, but it is that of {kind}"
        )
    rows = directory.read_csv("networks.csv")
    return {row["architecture"] for row in rows if row["space"] == space and row["part"] != "test"}
