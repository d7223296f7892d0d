"""The binary relation predictor as a regressor of graphs; its predictions only rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.predictors.brp.network import BrpSettings, BrpTrainer
from eznas.predictors.nets.training import reproducible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors.structured import GraphInputs


class BrpRegressor:
    """Trains on all pairs of the fit.

    Args:
        seed: Seed of weights, dropout and batches.
        settings: The settings.
    """

    def __init__(self, seed: int, settings: BrpSettings) -> None:
        self._seed, self._settings = seed, settings

    def fit(self, inputs: GraphInputs, labels: NDArray[np.float64]) -> None:
        """Train on ``n`` graphs and ``n`` labels."""
        with reproducible(self._seed):
            self._trainer = BrpTrainer(inputs.graphs, self._seed, self._settings)
            self._trainer.train(range(len(labels)), labels.tolist())

    def predict(self, inputs: GraphInputs) -> NDArray[np.float64]:
        """Return ``n`` numbers, higher for better."""
        with reproducible(self._seed):
            return self._trainer.order(inputs.graphs)
