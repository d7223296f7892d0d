"""NPENAS: evolution that queries only the children with the best predictions."""

from __future__ import annotations

from eznas.search.algorithms.bananas import Bananas
from eznas.search.protocol import register_algorithm


@register_algorithm(
    "npenas",
    "Wei et al. NPENAS. TNNLS 2022",
    "mutates the best and queries the children with the best predictions",
    moves=True,
    model=True,
)
class Npenas(Bananas):
    """BANANAS with the predicted mean as acquisition and with more parents."""

    surrogate = "ridge"
    acquisition = "mean"
    parents = 20
