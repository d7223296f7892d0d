"""The binary relation predictor of BRP-NAS: a graph convolutional network that compares two architectures.

References:
    [BRP-NAS] Dudziak, Chau, Abdelfattah, Lee, Kim, Lane. BRP-NAS: Prediction-based NAS using GCNs. NeurIPS 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.predictors.nets.adam import Adam
from eznas.predictors.nets.training import cosine_factor, descend, seeded_weights
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors.encodings.graphs import Graphs

_CHUNK = 2048


@dataclass(frozen=True)
class BrpSettings:
    """The network and its training; the defaults are the published ones.

    Args:
        layers: Graph convolutions.
        width: Features of a node.
        dropout: Share of features that a layer drops in training.
        epochs: Epochs, over which the learning rate falls to 0 along a cosine.
        batch: Pairs of a batch.
        pairs: Most pairs of an epoch, drawn anew for each; None for all pairs.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW.
    """

    layers: int = 4
    width: int = 600
    dropout: float = 0.2
    epochs: int = 250
    batch: int = 64
    pairs: int | None = None
    learning_rate: float = 3.5e-4
    weight_decay: float = 5e-4


class BrpNetwork(nn.Module):
    """Graph convolutions ``relu(LayerNorm(A X W + b))``, read at a global node, and a linear comparison of readings.

    The global node reads every node. Weights and biases are uniform in ``+-1 / sqrt(width)``.

    Args:
        types: Features of a node: its one-hot type.
        settings: The sizes.
    """

    def __init__(self, types: int, settings: BrpSettings) -> None:
        super().__init__()
        sizes = [types + 1, *[settings.width] * settings.layers]
        self.layers = nn.ModuleList(nn.Linear(size, settings.width, bias=False) for size in sizes[:-1])
        self.biases = nn.ParameterList(torch.empty(settings.width) for _ in self.layers)
        self.norms = nn.ModuleList(nn.LayerNorm(settings.width) for _ in self.layers)
        bound = 1 / math.sqrt(settings.width)
        for parameter in (*self.layers.parameters(), *self.biases):
            nn.init.uniform_(parameter, -bound, bound)
        self.dropout = settings.dropout
        self.head = nn.Linear(2 * settings.width, 2)

    def read(self, edges: Tensor, features: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the ``b x width`` readings at the global node.

        The last layer computes the global node alone.

        Args:
            edges: ``b x (v+1) x (v+1)``, of ``with_global_node``.
            features: ``b x (v+1) x (t+1)``, of the same.
            generator: The stream of dropout; None for no dropout.
        """
        last = len(self.layers) - 1
        for place, (layer, bias, norm) in enumerate(zip(self.layers, self.biases, self.norms, strict=True)):
            if place == last:
                edges = edges[:, :1]
            # The sum over edges comes first where the features have few columns, or the edges few rows.
            summed = layer(edges @ features) if place in {0, last} else edges @ layer(features)
            features = functional.relu(norm(summed + bias))
            if generator is not None and self.dropout:
                drawn = torch.rand(features.shape, generator=generator)
                features = features * drawn.ge_(self.dropout).div_(1 - self.dropout)
        return features[:, 0]

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the ``b x 2`` log-probabilities that the first or the second of two readings is better."""
        return functional.log_softmax(self.head(torch.cat([first, second], dim=1)), dim=1)

    def order(self, readings: Tensor) -> Tensor:
        """Return ``b`` numbers that sort as the mean comparison of both orders of each pair.

        The difference of the two outputs for ``(x, y)`` is ``u x + v y + d``. Its mean with that of ``(y, x)``, with
        the sign changed, is ``((u - v) x - (u - v) y) / 2``, so that ``(u - v) x`` sorts.
        """
        first, second = (self.head.weight[0] - self.head.weight[1]).chunk(2)
        return readings @ (first - second)


class BrpTrainer:
    """Trains the network on all ordered pairs of trained architectures; a further training goes on from the weights.

    The loss is the Kullback-Leibler divergence from the softmax of the two accuracies, which are mapped to 0..1.
    An architecture of a batch is read once, whatever the number of its pairs, with one draw of dropout.

    Args:
        graphs: The architectures.
        seed: Seed of weights, dropout and batches.
        settings: The settings.
    """

    def __init__(self, graphs: Graphs, seed: int, settings: BrpSettings) -> None:
        self._edges, self._features = _tensors(graphs)
        self._settings = settings
        self._generator = torch_generator(seed, "brp", "training")
        with seeded_weights(seed, "brp", "weights"):
            self.network = BrpNetwork(self._features.shape[2] - 1, settings)

    def train(self, places: Sequence[int], accuracies: Sequence[float], *, share: float = 1.0) -> None:
        """Train on some architectures for a share of the epochs, with that share of the batch."""
        settings = self._settings
        chosen = torch.tensor(places)
        truth = torch.tensor(accuracies, dtype=torch.float32)
        spread = float(truth.max() - truth.min())
        truth = (truth - truth.min()) / (spread or 1.0)
        first, second = (~torch.eye(len(truth), dtype=torch.bool)).nonzero(as_tuple=True)
        epochs, batch = max(int(settings.epochs * share), 1), max(int(settings.batch * share), 1)
        optimiser = Adam(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, decoupled=True
        )

        def loss(pairs: Tensor) -> Tensor:
            one, other = first[pairs], second[pairs]
            target = torch.stack([truth[one], truth[other]], dim=1).softmax(dim=1)
            members, place = torch.unique(torch.cat([one, other]), return_inverse=True)
            kept = chosen[members]
            readings = self.network.read(self._edges[kept], self._features[kept], self._generator)
            return functional.kl_div(self.network.compare(*readings[place].chunk(2)), target, reduction="sum")

        for epoch in range(epochs):
            drawn = torch.randperm(len(first), generator=self._generator)[: settings.pairs]
            descend(optimiser, map(loss, torch.split(drawn, batch)))
            optimiser.learning_rate *= cosine_factor(epoch, epochs)

    @torch.no_grad()
    def order(self, graphs: Graphs | None = None) -> NDArray[np.float64]:
        """Return numbers that sort architectures, higher for better; None for those of the trainer."""
        tensors = (self._edges, self._features) if graphs is None else _tensors(graphs)
        parts = [
            self.network.order(self.network.read(edges, features))
            for edges, features in zip(*(torch.split(tensor, _CHUNK) for tensor in tensors), strict=True)
        ]
        ordered: NDArray[np.float64] = torch.cat(parts).double().numpy()
        return ordered


def with_global_node(adjacency: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Put a node of its own type, which reads every node, before those of each graph.

    Args:
        adjacency: ``b x v x v``.
        nodes: ``b x v x t`` one-hot types.

    Returns:
        Edges, ``b x (v+1) x (v+1)``, every node with itself, and one-hot types, ``b x (v+1) x (t+1)``.
    """
    edges = functional.pad(adjacency, (1, 0, 1, 0))
    edges[:, 0] = 1
    edges[:, 1:] += torch.eye(edges.shape[1])[1:]
    features = functional.pad(nodes, (0, 1, 1, 0))
    features[:, 0, -1] = 1
    return edges, features


def _tensors(graphs: Graphs) -> tuple[Tensor, Tensor]:
    return with_global_node(
        torch.tensor(graphs.adjacency, dtype=torch.float32), torch.tensor(graphs.one_hot, dtype=torch.float32)
    )
