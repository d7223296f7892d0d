"""NPENAS: evolution that mutates tournament winners and looks only at the children a predictor likes best.

References:
    [NPENAS] Wei, Niu, Tang, Wang, Hu, Liang. NPENAS: Neural Predictor Guided Evolution for Neural Architecture
        Search. TNNLS 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from eznas.search.algorithms.bananas import Bananas
from eznas.search.protocol import ALGORITHMS, Algorithm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Npenas"]


class Npenas(Bananas):
    """As BANANAS, but greedy in the predicted mean, and with a larger population of parents."""

    surrogate: ClassVar[str] = "ridge"
    parents: ClassVar[int] = 20

    def _acquire(self, mean: NDArray[np.float64], _deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the predicted mean."""
        return mean


ALGORITHMS.register(
    Algorithm(
        "npenas",
        "Wei et al. NPENAS. TNNLS 2022",
        "mutates the best and looks at the children that a predictor likes best",
        Npenas,
        moves=True,
    )
)
