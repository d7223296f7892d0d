"""The register of measures: hand-written functions and programs side by side."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.errors import EznasError
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from eznas.measures.evidence import Evidence
    from eznas.minibatch import Minibatch

__all__ = ["MEASURES", "Measure", "UndefinedError"]


class UndefinedError(EznasError):
    """A measure's formula has no value on a network; the sentence says why."""


@dataclass(frozen=True)
class Measure:
    """One named zero-cost proxy.

    Args:
        name: The name on command lines.
        paper: Where it is published.
        formula: What it computes, in one line.
        needs: What it runs: any of ``"forward"``, ``"backward"``, ``"labels"``, ``"noise"``, ``"second order"`` (a
            backward pass through a backward pass), ``"samples"`` (a backward pass a sample) and ``"batches"`` (the
            minibatch in two halves).
        direction: 1 where more is better, -1 where less is; scores are reported as they are, never flipped.
        function: Scores a network on a minibatch; None where ``program`` says it.
        program: Program text; empty where ``function`` computes it.
        shared: What ``function`` computes, from passes that several measures share; None where there is none.
        reads: The parts of ``Evidence`` that ``shared`` reads.
        equivalent: A program that gives what ``function`` gives, evaluated with ``units="any"`` on a network that runs
            each layer once; empty where the language cannot say it.
        reference: What is published about its rank correlation, with what it was measured on.
    """

    name: str
    paper: str
    formula: str
    needs: frozenset[str]
    direction: int = 1
    function: Callable[[nn.Module, Minibatch], float] | None = None
    program: str = ""
    shared: Callable[[Evidence], float] | None = None
    reads: frozenset[str] = frozenset()
    equivalent: str = ""
    reference: str = ""


_MODULES = (
    "az_nas", "complexity", "epe_nas", "evolved", "fisher", "grad_norm", "gradsign", "grasp", "jacob_cov", "l2_norm",
    "meco", "naswot", "near", "plain", "published", "released", "snip", "swap", "synflow", "te_nas", "vkdnw", "zen",
    "zico",
)  # fmt: skip


def _load() -> None:
    for module in _MODULES:  # each registers its own
        importlib.import_module(f"eznas.measures.{module}")


MEASURES: Registry[Measure] = Registry("measure", lambda measure: measure.name, _load)
"""Every named measure."""
