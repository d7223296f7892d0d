"""The provenance of a program that a run evolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def provenance(row: Mapping[str, Any], facts: Mapping[str, Any], *, finished: bool = True) -> dict[str, Any]:
    """Return the correlations of a program and the origin of its run, as far as they are known.

    Args:
        row: The program's row in the hall of fame.
        facts: The summary of the run, or its manifest.
        finished: Whether the program is tested; otherwise it is provisional.
    """
    taus = {name: row[name] for name in ("tau_train", "tau_validation", "tau_test") if row.get(name) is not None}
    names = ("command", "seed", "target", *(("reported_on", "networks") if finished else ()), "versions")
    origin = {name: facts[name] for name in names if name in facts}
    return {**({} if finished else {"provisional": True}), **taus, **origin}
