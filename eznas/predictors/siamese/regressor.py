"""The network of Siamese-NAS as a regressor of graphs and, beside them, estimation codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.predictors.nets.adam import Adam
from eznas.predictors.nets.training import reproducible
from eznas.predictors.siamese.training import GraphTensors, predict, train
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.structured import GraphInputs

_LOW, _HIGH = 0.1, 0.9
_SCHEDULE = ((0.7, 1e-3), (0.3, 1e-4))
"""Share of the epochs, and the learning rate of Adam, which starts anew."""


class SiameseRegressor:
    """Trains both heads, and predicts by the head with a code where there are codes.

    The labels of a fit are mapped to 0.1..0.9, the range of the sigmoid. Codes are standardised by those of the fit.

    Args:
        seed: Seed of the initial weights and the batches.
        attention: Whether the network has node self-attention.
        width: Features of a node.
        epochs: Epochs, each of as many steps as whole batches are in the fit, one at least.
        batch: Architectures of a batch, drawn with replacement.
    """

    def __init__(
        self, seed: int, *, attention: bool = True, width: int = 64, epochs: int = 200, batch: int = 8
    ) -> None:
        self._seed, self._attention, self._width, self._epochs, self._batch = seed, attention, width, epochs, batch

    def fit(self, inputs: GraphInputs, labels: NDArray[np.float64]) -> None:
        """Train on ``n`` graphs and ``n`` labels."""
        self._least, spread = float(labels.min()), float(np.ptp(labels))
        self._unit = (spread or 1.0) / (_HIGH - _LOW)
        self._shift, scale = inputs.rows.mean(axis=0), inputs.rows.std(axis=0)
        self._scale = np.where(scale > 0, scale, np.inf)
        graphs, codes = GraphTensors.of(inputs.graphs), self._codes(inputs)
        targets = torch.tensor(_LOW + (labels - self._least) / self._unit, dtype=torch.float32)
        generator = torch_generator(self._seed, "batches")

        def draw() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
            chosen = torch.randint(len(targets), (self._batch,), generator=generator)
            code = None if codes is None else codes[chosen]
            return graphs.adjacency[chosen], graphs.nodes[chosen], code, targets[chosen]

        with reproducible(self._seed):
            self.network = graphs.network(
                self._seed, code=inputs.rows.shape[1], attention=self._attention, width=self._width
            )
            steps = max(len(targets) // self._batch, 1)
            for share, learning_rate in _SCHEDULE:
                optimiser = Adam(self.network.parameters(), learning_rate, epsilon=1e-7)
                train(self.network, draw, int(self._epochs * share) * steps, optimiser)

    def predict(self, inputs: GraphInputs) -> NDArray[np.float64]:
        """Return ``n`` predictions."""
        graphs = GraphTensors.of(inputs.graphs)
        with reproducible(self._seed):
            predicted = predict(self.network, graphs, range(len(inputs)), self._codes(inputs))
        return (predicted - _LOW) * self._unit + self._least

    def _codes(self, inputs: GraphInputs) -> torch.Tensor | None:
        if not inputs.rows.shape[1]:
            return None
        return torch.tensor((inputs.rows - self._shift) / self._scale, dtype=torch.float32)
