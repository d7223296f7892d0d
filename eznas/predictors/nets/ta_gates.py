"""A graph network that imitates steps of a training: forward and backward flows that change the operations.

References:
    [Ning] Ning, Zhou, Zhao, Zhao, Deng, Tang, Liang, Yang, Wang. TA-GATES: An Encoding Scheme for Neural Network
        Architectures. NeurIPS 2022. Its settings for NAS-Bench-201 are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eznas.predictors.nets.gates import Flow, FlowModule, FlowNetwork

if TYPE_CHECKING:
    from eznas.predictors.nets.graph_regressor import GraphBatch
    from eznas.predictors.structured import GraphInputs

_WEIGHTED = "conv"
"""Part of the name of an operation with weights."""


class TrainingFlowNetwork(FlowNetwork):
    """A flow forward in each of several time steps, and between them a flow backward and a change of operations [Ning].

    The flow backward starts at the output, with the information that has come there, and runs against the edges. Then
    the embedding ``o`` of each operation with weights becomes ``o + scale * MLP(o, f, b)``, where ``f`` and ``b`` are
    the information of its vertex forward and backward. No gradient flows into ``o`` and ``f`` there. Operations with
    weights are those whose name contains ``conv``; where a space has none, every operation changes. The score is that
    of the last flow forward. The published network also reads scores of each operation's parameters, which are not
    used here.

    Args:
        seed: See ``GraphRegressor``.
        time_steps: Flows forward, two or more.
        scale: The factor of a change.
        update: Width of the layer between information and change.
        layers: See ``FlowNetwork``.
        **settings: Those of ``FlowNetwork``.
    """

    def __init__(
        self, seed: int, *, time_steps: int = 4, scale: float = 0.1, update: int = 128, layers: int = 3, **settings: Any
    ) -> None:
        super().__init__(seed, layers=layers, **settings)
        self._time_steps, self._factor, self._update = time_steps, scale, update

    def _build(self, inputs: GraphInputs) -> nn.Module:
        vocabulary = inputs.graphs.vocabulary
        weighted = [place for place, name in enumerate(vocabulary) if _WEIGHTED in name] or [*range(len(vocabulary))]
        return _Network(self._sizes(inputs), weighted, self._time_steps, self._factor, self._update)


class _Network(FlowModule):
    def __init__(
        self,
        sizes: tuple[int, list[int], int, list[int], list[int], float],
        weighted: list[int],
        time_steps: int,
        scale: float,
        update: int,
    ) -> None:
        super().__init__(*sizes)
        _, _, embedding, flows, *_ = sizes
        self.weighted, self.time_steps, self.scale = weighted, time_steps, scale
        width = flows[-1]
        self.turned = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.backward_flow = Flow(flows, embedding)
        self.change = nn.Sequential(nn.Linear(embedding + 2 * width, update), nn.ReLU(), nn.Linear(update, embedding))

    def _values(
        self,
        batch: GraphBatch,
        operations: torch.Tensor,
        reads: torch.Tensor,
        source: torch.Tensor,
        passing: torch.Tensor,
    ) -> torch.Tensor:
        end = nn.functional.one_hot(batch.mask.sum(dim=1) - 1, batch.types.shape[1]).to(batch.types.dtype)[..., None]
        changing = batch.types[..., self.weighted].sum(dim=2, keepdim=True)
        values = super()._values(batch, operations, reads, source, passing)
        for _ in range(self.time_steps - 1):
            turned = self.turned((end * values).sum(dim=1, keepdim=True))
            back = self.backward_flow(end * turned, operations, batch.adjacency, end, passing)
            known = torch.cat([operations.detach(), values.detach(), back], dim=2)
            operations = operations + self.scale * changing * self.change(known)
            values = super()._values(batch, operations, reads, source, passing)
        return values
