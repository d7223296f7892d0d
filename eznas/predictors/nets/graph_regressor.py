"""Regressors of scikit-learn's interface around networks that read graphs."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from eznas.predictors.nets.training import Training, reproducible, train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.structured import GraphInputs

_BATCH = 1024


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """``n`` graphs of ``v`` vertices, as networks read them.

    Args:
        types: ``n x v x t``, an indicator of each vertex's type; zeros for padding.
        adjacency: ``n x v x v``; 1 where the second vertex reads the first.
        mask: ``n x v``, whether a vertex is no padding.
        columns: ``n x f`` standardised columns beside the graph.
    """

    types: torch.Tensor
    adjacency: torch.Tensor
    mask: torch.Tensor
    columns: torch.Tensor

    def at(self, places: torch.Tensor) -> GraphBatch:
        """Return some of the graphs."""
        return GraphBatch(self.types[places], self.adjacency[places], self.mask[places], self.columns[places])


class GraphRegressor(abc.ABC):
    """Fits a network to graphs. Subclasses build the network and choose its loss.

    Columns beside the graphs are standardised by the mean and standard deviation of the fit; constant ones become 0.

    Args:
        seed: Seed of the initial weights, of dropout and of the batches.
        training: The hyper-parameters of the training.
    """

    def __init__(self, seed: int, training: Training) -> None:
        self._seed, self._training = seed, training

    def fit(self, inputs: GraphInputs, labels: NDArray[np.float64]) -> None:
        """Train on ``n`` graphs and ``n`` labels."""
        self._shift = inputs.rows.mean(axis=0)
        scale = inputs.rows.std(axis=0)
        self._scale = np.where(scale > 0, scale, np.inf)
        batch = self._batch(inputs)
        targets = torch.tensor(labels, dtype=torch.float32)
        with reproducible(self._seed):
            self.network = self._build(inputs)
            train(
                self.network,
                lambda places: self._loss(self.network(batch.at(places)), targets[places]),
                len(inputs),
                self._training,
                self._seed,
            )

    def predict(self, inputs: GraphInputs) -> NDArray[np.float64]:
        """Return ``n`` predictions."""
        batch = self._batch(inputs)
        with torch.no_grad(), reproducible(self._seed):
            parts = [self.network(batch.at(places)) for places in torch.split(torch.arange(len(inputs)), _BATCH)]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)

    @abc.abstractmethod
    def _build(self, inputs: GraphInputs) -> nn.Module:
        """Return the network, which maps a ``GraphBatch`` to ``n`` numbers."""

    def _loss(self, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch; by default the mean squared error."""
        return nn.functional.mse_loss(predicted, targets)

    def _batch(self, inputs: GraphInputs) -> GraphBatch:
        columns = (inputs.rows - self._shift) / self._scale
        return GraphBatch(
            torch.tensor(inputs.graphs.one_hot, dtype=torch.float32),
            torch.tensor(inputs.graphs.adjacency, dtype=torch.float32),
            torch.tensor(inputs.graphs.mask),
            torch.tensor(columns, dtype=torch.float32),
        )
