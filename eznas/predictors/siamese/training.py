"""Data, loss and training steps of the network of Siamese-NAS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.predictors.nets.training import descend, seeded_weights
from eznas.predictors.siamese.network import SiameseNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors.encodings.graphs import Graphs
    from eznas.predictors.nets.training import Optimiser

_DELTA = 0.5
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class GraphTensors:
    """Graphs as the network takes them.

    Args:
        adjacency: ``n x v x v``, every node with itself, padding included.
        nodes: ``n x v x t`` one-hot types; zeros for padding.
    """

    adjacency: Tensor
    nodes: Tensor

    @classmethod
    def of(cls, graphs: Graphs) -> GraphTensors:
        """Convert a batch of graphs."""
        adjacency = torch.tensor(graphs.adjacency, dtype=torch.float32) + torch.eye(graphs.adjacency.shape[1])
        return cls(adjacency, torch.tensor(graphs.one_hot, dtype=torch.float32))

    def network(self, seed: int, *, code: int, attention: bool, width: int) -> SiameseNetwork:
        """Return a network for these graphs with initial weights from a seed; torch's own state does not change."""
        with seeded_weights(seed, "weights"):
            return SiameseNetwork(self.nodes.shape[1], self.nodes.shape[2], code=code, attention=attention, width=width)


def huber(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the mean of ``e^2 / 2`` where the error ``e`` is below 0.5, and of ``(e - 0.25) / 2`` elsewhere."""
    error = (predicted - truth).abs()
    return torch.where(error < _DELTA, 0.5 * error**2, _DELTA * (error - 0.5 * _DELTA)).mean()


def train(
    network: SiameseNetwork,
    batches: Callable[[], tuple[Tensor, Tensor, Tensor | None, Tensor]],
    steps: int,
    optimiser: Optimiser,
) -> None:
    """Take steps on the sum of the losses of both heads.

    Args:
        network: The network.
        batches: Draws adjacency, nodes, codes (None without a second head) and accuracies in 0..1.
        steps: Number of steps.
        optimiser: The optimiser of the network's parameters.
    """

    def loss() -> Tensor:
        adjacency, nodes, codes, accuracies = batches()
        plain, fused = network(adjacency, nodes, codes)
        return huber(plain, accuracies) if fused is None else huber(plain, accuracies) + huber(fused, accuracies)

    network.train()
    descend(optimiser, (loss() for _ in range(steps)))


@torch.no_grad()
def predict(
    network: SiameseNetwork, graphs: GraphTensors, chosen: Sequence[int], codes: Tensor | None = None
) -> NDArray[np.float64]:
    """Return the predictions for some graphs: with codes where they are given, without otherwise."""
    network.eval()
    results = []
    places = torch.as_tensor(chosen, dtype=torch.long)
    for start in range(0, len(places), _CHUNK):
        part = places[start : start + _CHUNK]
        plain, fused = network(
            graphs.adjacency[part], graphs.nodes[part], None if codes is None else codes[start : start + _CHUNK]
        )
        results.append(plain if fused is None else fused)
    predicted: NDArray[np.float64] = torch.cat(results).double().numpy()
    return predicted
