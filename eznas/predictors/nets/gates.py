"""A graph network that imitates the flow of information through an architecture, trained to rank pairs.

References:
    [Ning] Ning, Zheng, Zhao, Wang, Yang. A Generic Graph-based Neural Architecture Encoding Scheme for Predictor-based
        NAS. ECCV 2020. Its settings for NAS-Bench-201 are used, with the 200 epochs of TA-GATES (NeurIPS 2022).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from eznas.predictors.nets.graph_regressor import GraphBatch, GraphRegressor
from eznas.predictors.nets.training import Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.encodings.graphs import Graphs
    from eznas.predictors.structured import GraphInputs


class FlowNetwork(GraphRegressor):
    """Information starts at the input, flows along the edges, and is gated by the operation of each vertex [Ning].

    Nothing passes a vertex whose type is closed, such as ``none``.
    The result at the output is mapped to a score. For a pair of architectures, the loss is the part of ``margin`` by
    which the score of the better one does not exceed the other's; it is averaged over all pairs of a batch with
    different accuracies.

    Args:
        seed: See ``GraphRegressor``.
        layers: Fewest steps of the flow; there are as many as the longest path of the fit has edges, if that is more.
        hidden: Width of the information.
        embedding: Width of the embeddings of operations.
        head: Widths of the layers between output and score.
        dropout: Probability of dropout in them.
        margin: The margin.
        epochs: See ``Training``.
        batch: See ``Training``.
        learning_rate: See ``Training``.
    """

    def __init__(
        self,
        seed: int,
        *,
        layers: int = 5,
        hidden: int = 128,
        embedding: int = 48,
        head: tuple[int, ...] = (300, 300, 300, 300, 300),
        dropout: float = 0.1,
        margin: float = 0.1,
        epochs: int = 200,
        batch: int = 512,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(seed, Training(epochs, batch, learning_rate, cosine=False))
        self._layers, self._hidden, self._embedding = layers, hidden, embedding
        self._head, self._dropout, self._margin = head, dropout, margin

    def _build(self, inputs: GraphInputs) -> nn.Module:
        return FlowModule(*self._sizes(inputs))

    def _sizes(self, inputs: GraphInputs) -> tuple[int, list[int], int, list[int], list[int], float]:
        """Return the arguments of the module."""
        graphs = inputs.graphs
        steps = max(self._layers, int(longest_paths(graphs).max()))
        heads = [self._hidden + inputs.rows.shape[1], *self._head]
        closed = [graphs.vocabulary.index(name) for name in graphs.closed]
        return len(graphs.vocabulary), closed, self._embedding, [self._hidden] * steps, heads, self._dropout

    def _loss(self, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return pairwise_hinge(predicted, targets, self._margin)


def pairwise_hinge(scores: torch.Tensor, targets: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the mean of ``max(0, margin - (better - worse))`` over the pairs with different targets; 0 without any."""
    better = targets[:, None] > targets[None, :]
    short = torch.relu(margin - (scores[:, None] - scores[None, :]))
    return (short * better).sum() / better.sum().clamp(min=1)


def longest_paths(graphs: Graphs) -> NDArray[np.int64]:
    """Return the number of edges on the longest path of each graph."""
    longest: NDArray[np.int64] = np.zeros_like(graphs.types)
    for vertex in range(graphs.adjacency.shape[1]):
        before = np.where(graphs.adjacency[:, :vertex, vertex], longest[:, :vertex] + 1, 0)
        longest[:, vertex] = before.max(axis=1, initial=0)
    return np.asarray(longest.max(axis=1), dtype=np.int64)


class Flow(nn.Module):
    """Steps of information along the edges of graphs, gated at each vertex by its operation.

    A step maps the information ``x`` of the vertices to ``p * (sigmoid(o G) * (R x W) + s * x W + b)``. The matrix
    ``R`` is 1 where a vertex reads another. Sources, where ``s`` is 1, keep their information, and ``p`` is 0 at closed
    vertices. A ReLU follows every step but the last.

    Args:
        widths: Widths of the information, one for each step; it starts with the first of them.
        embedding: Width of the embeddings of operations.
    """

    def __init__(self, widths: list[int], embedding: int) -> None:
        super().__init__()
        pairs = [*itertools.pairwise([widths[0], *widths])]
        self.flows = nn.ModuleList(nn.Linear(before, after) for before, after in pairs)
        self.gates = nn.ModuleList(nn.Linear(embedding, after) for _, after in pairs)

    def forward(
        self,
        values: torch.Tensor,
        operations: torch.Tensor,
        reads: torch.Tensor,
        source: torch.Tensor,
        passing: torch.Tensor,
    ) -> torch.Tensor:
        """Return the ``n x v x h`` information after the last step.

        Args:
            values: ``n x v x h``, the information at first.
            operations: ``n x v x e``, the embeddings of operations.
            reads: ``n x v x v``; 1 where the first vertex reads the second.
            source: ``n x v x 1``; 1 for vertices that keep their information.
            passing: ``n x v x 1``; 0 for closed vertices.
        """
        for place, (flow, gate) in enumerate(zip(self.flows, self.gates, strict=True)):
            moved = values @ flow.weight.T  # type: ignore[operator]
            values = torch.sigmoid(gate(operations)) * (reads @ moved) + source * moved + flow.bias  # type: ignore[operator]
            values = passing * values
            if place < len(self.flows) - 1:
                values = torch.relu(values)
        return values


class FlowModule(nn.Module):
    """The network: embeddings of operations, the flow, and the layers from its end to the score.

    Args:
        kinds: Number of types of vertices.
        closed: Types that nothing passes.
        embedding: Width of the embeddings of operations.
        flows: Widths of the information, one for each step.
        heads: Widths of the layers between output and score, from the width of their input.
        dropout: Probability of dropout in them.
    """

    def __init__(
        self, kinds: int, closed: list[int], embedding: int, flows: list[int], heads: list[int], dropout: float
    ) -> None:
        super().__init__()
        self.closed = closed
        self.operations = nn.Linear(kinds, embedding, bias=False)
        nn.init.normal_(self.operations.weight)
        self.start = nn.Parameter(torch.randn(flows[0]))
        self.flow = Flow(flows, embedding)
        layers = [
            layer
            for before, after in itertools.pairwise(heads)
            for layer in (nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
        ]
        self.head = nn.Sequential(*layers, nn.Linear(heads[-1], 1))

    def forward(self, batch: GraphBatch) -> torch.Tensor:
        """Return ``n`` scores."""
        reads = batch.adjacency.transpose(1, 2)
        passing = 1 - batch.types[..., self.closed].sum(dim=2, keepdim=True)
        source = (batch.mask & (batch.adjacency.sum(dim=1) == 0)).float()[..., None]
        values = self._values(batch, self.operations(batch.types), reads, source, passing)
        last = values[torch.arange(len(values)), batch.mask.sum(dim=1) - 1]
        result: torch.Tensor = self.head(torch.cat([last, batch.columns], dim=1))[:, 0]
        return result

    def _values(
        self,
        batch: GraphBatch,
        operations: torch.Tensor,
        reads: torch.Tensor,
        source: torch.Tensor,
        passing: torch.Tensor,
    ) -> torch.Tensor:
        """Return the ``n x v x h`` information of the vertices."""
        del batch
        values: torch.Tensor = self.flow(source * self.start, operations, reads, source, passing)
        return values
