"""Named zero-cost proxies, one file a published measure; each registers itself.

``register_measure`` registers a function of a network and a minibatch. Measures of one family read the same passes;
``measure_from_passes`` registers a function of what those passes gave (``NetworkPasses``), and ``eznas.measure`` runs
each pass once for all.
"""

from __future__ import annotations

from eznas.errors import UndefinedError
from eznas.measures.registry import MEASURES, Measure, measure_from_passes, register_measure
from eznas.passes.network_passes import NetworkPasses

__all__ = ["MEASURES", "Measure", "NetworkPasses", "UndefinedError", "measure_from_passes", "register_measure"]
