"""Evolutions over score files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.api.evolve import EvolutionRun
from eznas.config import read_toml
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from collections.abc import Mapping


class ScoresRun(EvolutionRun):
    """A finished or stopped evolution over score files; no network was run."""

    _options = ScoresConfig
    _changeable = ("time_budget", "generations", "workers")

    def _evolve(self, *args: Any, **options: Any) -> dict[str, Any]:
        from eznas.symbolic import run_scores

        return run_scores(*args, **options)


def run_class(options: Mapping[str, Any], config: str | Path | None = None) -> type[EvolutionRun]:
    """Return the class of the run that options make: over score files where ``scores`` is among them.

    Args:
        options: Options by name.
        config: TOML file with further options.
    """
    names = {*options, *(read_toml(Path(config)) if config is not None else ())}
    return ScoresRun if "scores" in names else EvolutionRun
