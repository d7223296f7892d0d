"""The graph convolutional network of the neural predictor.

References:
    [Wen] Wen, Liu, Chen, Li, Bender, Kindermans. Neural Predictor for Neural Architecture Search. ECCV 2020.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn

from eznas.predictors.nets.graph_regressor import GraphBatch, GraphRegressor
from eznas.predictors.nets.training import Training

if TYPE_CHECKING:
    from eznas.predictors.structured import GraphInputs


class NeuralPredictor(GraphRegressor):
    """Graph convolutions in both directions, a mean over the vertices, and two linear layers [Wen].

    Args:
        seed: See ``GraphRegressor``.
        layers: Number of graph convolutions.
        hidden: Their width.
        head: Width of the layer after the mean.
        dropout: Probability of dropout.
        epochs: See ``Training``.
        batch: See ``Training``.
        learning_rate: See ``Training``.
        weight_decay: See ``Training``.
    """

    def __init__(
        self,
        seed: int,
        *,
        layers: int = 4,
        hidden: int = 144,
        head: int = 128,
        dropout: float = 0.1,
        epochs: int = 300,
        batch: int = 7,
        learning_rate: float = 1e-4,
        weight_decay: float = 3e-4,
    ) -> None:
        super().__init__(seed, Training(epochs, batch, learning_rate, weight_decay))
        self._layers, self._hidden, self._head, self._dropout = layers, hidden, head, dropout

    def _build(self, inputs: GraphInputs) -> nn.Module:
        widths = [len(inputs.graphs.vocabulary), *[self._hidden] * self._layers]
        return _Network(widths, inputs.rows.shape[1], self._head, self._dropout)


class _Network(nn.Module):
    def __init__(self, widths: list[int], columns: int, head: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            TwoWayConvolution(before, after, dropout) for before, after in itertools.pairwise(widths)
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1] + columns, head, bias=False), nn.Dropout(dropout), nn.Linear(head, 1, bias=False)
        )

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        adjacency = batch.adjacency + torch.eye(batch.adjacency.shape[1])
        readers, read = (edges / edges.sum(dim=2, keepdim=True) for edges in (adjacency, adjacency.transpose(1, 2)))
        values = batch.types
        for convolution in self.convolutions:
            values = convolution(values, readers, read)
        mean = values.sum(dim=1) / batch.mask.sum(dim=1, keepdim=True)
        result: torch.Tensor = self.head(torch.cat([mean, batch.columns], dim=1))[:, 0]
        return result


class TwoWayConvolution(nn.Module):
    """The mean of ``ReLU(A X W)`` along the edges and against them, each with its own weights.

    There is no bias, so that padding stays 0.

    Args:
        before: Number of features of a vertex.
        after: Number of features of the result.
        dropout: Probability of dropout.
    """

    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__()
        self.to_readers = nn.Parameter(nn.init.xavier_uniform_(torch.empty(before, after)))
        self.to_read = nn.Parameter(nn.init.xavier_uniform_(torch.empty(before, after)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor, readers: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        """Return ``n x v x after`` from ``n x v x before`` and both matrices, each with rows that add to 1."""
        both = torch.relu(readers @ (values @ self.to_readers)) + torch.relu(read @ (values @ self.to_read))
        result: torch.Tensor = self.dropout(both / 2)
        return result
