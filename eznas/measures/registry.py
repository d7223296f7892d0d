"""The register of measures: hand-written functions and programs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["MEASURES", "Measure"]


@dataclass(frozen=True)
class Measure:
    """One named zero-cost proxy.

    Args:
        name: The name on command lines.
        paper: Where it is published.
        formula: What it computes, in one line.
        needs: What it runs: any of ``"forward"``, ``"backward"``, ``"labels"``, ``"noise"``.
        direction: 1 where more is better, -1 where less is; scores are reported as they are, never flipped.
        function: Scores a network on a minibatch; None where ``program`` says it.
        program: Program text; empty where ``function`` computes it.
    """

    name: str
    paper: str
    formula: str
    needs: frozenset[str]
    direction: int = 1
    function: Callable[[nn.Module, Minibatch], float] | None = None
    program: str = ""


def _load() -> None:
    import eznas.measures.complexity
    import eznas.measures.naswot
    import eznas.measures.published  # noqa: F401 - each registers itself


MEASURES: Registry[Measure] = Registry("measure", lambda measure: measure.name, _load)
"""Every named measure."""
