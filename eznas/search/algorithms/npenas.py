"""NPENAS: evolution that queries only the children with the best predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.search.algorithms.bananas import Bananas
from eznas.search.protocol import register_algorithm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@register_algorithm(
    "npenas",
    "Wei et al. NPENAS. TNNLS 2022",
    "mutates the best and queries the children with the best predictions",
    moves=True,
)
class Npenas(Bananas):
    """BANANAS with the predicted mean as acquisition and with more parents."""

    surrogate = "ridge"
    parents = 20

    def _acquire(self, mean: NDArray[np.float64], _deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the predicted mean."""
        return mean
