"""Named zero-cost proxies, one file a published measure or a paper's family; each registers its measures.

``register_measure`` registers a function of a network and a minibatch. ``measure_from_passes`` registers a function of
``NetworkPasses``; ``eznas.measure`` runs each pass once for all measures that read it.
"""

from __future__ import annotations

import importlib
from typing import Any

from eznas.errors import UndefinedError
from eznas.measures.registry import MEASURES, Measure, measure_from_passes, register_measure
from eznas.passes.network_passes import NetworkPasses

__all__ = ["MEASURES", "Measure", "NetworkPasses", "UndefinedError", "measure_from_passes", "register_measure"]


def __getattr__(name: str) -> Any:
    if name == "find_measures":  # its module imports the measures
        return importlib.import_module("eznas.scoring.find").find_measures
    raise AttributeError(f"module 'eznas.measures' has no attribute {name!r}")
