"""The graph convolutional network of BONAS.

References:
    [Shi] Shi, Pi, Xu, Li, Kwok, Zhang. Bridging the Gap between Sample-based and One-shot Neural Architecture Search
        with BONAS. NeurIPS 2020.
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


class GlobalVertexNetwork(GraphRegressor):
    """Graph convolutions with batch normalisation, read out at a vertex that reads all others [Shi].

    Args:
        seed: See ``GraphRegressor``.
        layers: Number of graph convolutions.
        hidden: Their width.
        epochs: See ``Training``.
        batch: See ``Training``.
        learning_rate: See ``Training``.
    """

    def __init__(
        self,
        seed: int,
        *,
        layers: int = 4,
        hidden: int = 64,
        epochs: int = 100,
        batch: int = 128,
        learning_rate: float = 1e-4,
    ) -> None:
        super().__init__(seed, Training(epochs, batch, learning_rate))
        self._layers, self._hidden = layers, hidden

    def _build(self, inputs: GraphInputs) -> nn.Module:
        return _Network([len(inputs.graphs.vocabulary) + 1, *[self._hidden] * self._layers], inputs.rows.shape[1])


class _Network(nn.Module):
    def __init__(self, widths: list[int], columns: int) -> None:
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])
        self.head = nn.Linear(widths[-1] + columns, 1)
        for layer in self.linear:
            nn.init.uniform_(layer.weight, -0.05, 0.05)  # type: ignore[arg-type]

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        values, reads, mask = with_global_vertex(batch)
        for linear, norm in zip(self.linear, self.norms, strict=True):
            summed = reads @ (values @ linear.weight.T) + linear.bias  # type: ignore[operator]
            values = torch.zeros_like(summed)
            values[mask] = torch.relu(norm(summed[mask]))
        result: torch.Tensor = self.head(torch.cat([values[:, 0], batch.columns], dim=1))[:, 0]
        return result


def with_global_vertex(batch: GraphBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put a vertex of its own type, which reads all others, before those of each graph.

    Returns:
        The types, ``n x (v+1) x (t+1)``; a matrix, ``n x (v+1) x (v+1)``, with 1 where the first vertex reads the
        second, or is the same; and the mask of the vertices that are no padding.
    """
    count, vertices, kinds = batch.types.shape
    types = batch.types.new_zeros(count, vertices + 1, kinds + 1)
    types[:, 1:, :kinds] = batch.types
    types[:, 0, kinds] = 1
    reads = batch.types.new_zeros(count, vertices + 1, vertices + 1)
    reads[:, 1:, 1:] = batch.adjacency.transpose(1, 2) + torch.eye(vertices)
    reads[:, 0, 0] = 1
    reads[:, 0, 1:] = batch.mask.to(reads.dtype)
    return types, reads, torch.cat([torch.ones(count, 1, dtype=torch.bool), batch.mask], dim=1)
