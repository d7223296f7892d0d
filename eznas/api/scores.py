"""The kind of an evolution: on networks, or over score files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.config import EvolveConfig, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.symbolic.config import ScoresConfig


SCORES_CHANGEABLE = ("time_budget", "generations", "workers")
"""Options that may change when a run over score files is resumed."""


def evolution_model(options: Mapping[str, Any], config: str | Path | None) -> type[EvolveConfig | ScoresConfig]:
    """Return the configuration that options belong to: that of score files where ``scores`` is among them.

    Args:
        options: Options by name.
        config: TOML file with further options.
    """
    from eznas.symbolic.config import ScoresConfig

    names = {*options, *(read_toml(Path(config)) if config is not None else ())}
    return ScoresConfig if "scores" in names else EvolveConfig
