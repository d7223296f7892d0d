"""The network of Siamese-NAS: graph convolutions in both directions, attention between nodes, and one or two heads.

Adjacency matrices contain every node itself. Attention is masked as published: the scores of pairs without an edge are
set to 0 before the softmax, not to minus infinity, so that such a pair keeps a weight of ``exp(0)``. In the released
code the values of the fusion reuse the layer of the queries; here they have a layer of their own.

References:
    [Siamese] Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural
        Architecture by Prior Knowledge. 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 64


def _norm(features: int) -> nn.BatchNorm1d:
    """Return a batch normalisation with the published constants; Keras writes this momentum as 0.997."""
    return nn.BatchNorm1d(features, eps=1e-4, momentum=0.003)


class GraphGroup(nn.Module):
    """Graph convolutions along the edges and against them, each normalised and activated; their mean.

    ``(mish(BN(A X W + b)) + mish(BN(A' X U + c))) / 2``, where the batch normalisation is over graphs and nodes.

    Args:
        features: Features of a node.
        width: Features of a node in the result.
        parts: Number of such groups, with layers of their own, that read the same features; their results are joined.
    """

    def __init__(self, features: int, width: int = WIDTH, parts: int = 1) -> None:
        super().__init__()
        self.joined = width * parts
        self.linear = nn.Linear(features, 2 * self.joined, bias=False)
        for block in self.linear.weight.chunk(2 * parts):
            nn.init.xavier_uniform_(block)
        self.bias = nn.Parameter(torch.zeros(2 * self.joined))
        self.norm = _norm(2 * self.joined)

    def forward(self, adjacency: Tensor, nodes: Tensor) -> Tensor:
        """Map ``b x v x v`` edges and ``b x v x f`` features to ``b x v x (parts * width)``."""
        forward, backward = self.linear(nodes).chunk(2, dim=2)
        both = torch.cat([adjacency @ forward, adjacency.transpose(1, 2) @ backward], dim=2) + self.bias
        both = functional.mish(self.norm(both.flatten(0, 1))).view_as(both)
        first, second = both.chunk(2, dim=2)
        mean: Tensor = (first + second) / 2
        return mean


def edge_attention(adjacency: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return ``softmax((Q K') * A) V + softmax((Q K') * A') V``, with the softmax over the last axis.

    Args:
        adjacency: ``b x v x v``.
        query: ``b x v x f``.
        key: ``b x v x f``.
        value: ``b x v x f``.
    """
    scores = query @ key.transpose(1, 2)
    along, against = (scores * adjacency).softmax(dim=2), (scores * adjacency.transpose(1, 2)).softmax(dim=2)
    return along @ value + against @ value


class NodeAttention(nn.Module):
    """Node self-attention (NSAM): attention along edges plus the features, and a group."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.query_key_value, self.output = GraphGroup(width, width, parts=3), GraphGroup(width, width)

    def forward(self, adjacency: Tensor, nodes: Tensor) -> Tensor:
        """Return ``b x v x width``."""
        query, key, value = self.query_key_value(adjacency, nodes).chunk(3, dim=2)
        attended: Tensor = self.output(adjacency, nodes + edge_attention(adjacency, query, key, value))
        return attended


class CodeFusion(nn.Module):
    """Estimation fusion (EFM): the keys of the attention come from the estimation code.

    Args:
        vertices: Nodes of a padded graph.
        code: Numbers of a code.
        width: Features of a node.
    """

    def __init__(self, vertices: int, code: int, width: int = WIDTH) -> None:
        super().__init__()
        self.shape = (vertices, width)
        self.linear = nn.Linear(code, vertices * width)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.norm = _norm(width)
        self.key, self.query_value = GraphGroup(width, width), GraphGroup(width, width, parts=2)
        self.output = GraphGroup(width, width)

    def forward(self, adjacency: Tensor, nodes: Tensor, code: Tensor) -> Tensor:
        """Return ``b x v x width`` from edges, features and ``b x c`` codes."""
        spread = self.linear(code).view(-1, self.shape[1])
        spread = functional.mish(self.norm(spread)).view(-1, *self.shape)
        query, value = self.query_value(adjacency, nodes).chunk(2, dim=2)
        attended = edge_attention(adjacency, query, self.key(adjacency, spread), value)
        fused: Tensor = self.output(adjacency, nodes + attended)
        return fused


class SiameseNetwork(nn.Module):
    """The encoder, the head without a code, and the head with a code where ``code`` is not 0.

    A head averages the features of each node and maps the ``v`` means to one number in 0..1 by a linear layer and a
    sigmoid; both heads share the layer. Without attention and code, this is the plain predictor of [Siamese].

    Args:
        vertices: Nodes of a padded graph.
        types: Features of a node: its one-hot type.
        code: Numbers of an estimation code; 0 for no second head.
        attention: Whether node self-attention follows the second group.
        width: Features of a node inside.
    """

    def __init__(self, vertices: int, types: int, *, code: int = 0, attention: bool = True, width: int = WIDTH) -> None:
        super().__init__()
        self.first, self.second, self.third = (
            GraphGroup(types, width),
            GraphGroup(width, width),
            GraphGroup(width, width),
        )
        self.attention = NodeAttention(width) if attention else None
        self.fusion = CodeFusion(vertices, code, width) if code else None
        self.head = nn.Linear(vertices, 1)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, adjacency: Tensor, nodes: Tensor, code: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return ``b`` predictions without a code, and ``b`` with one where codes are given.

        Args:
            adjacency: ``b x v x v``, every node with itself.
            nodes: ``b x v x t``.
            code: ``b x c``; None for the first head alone.
        """
        encoded = self.second(adjacency, self.first(adjacency, nodes))
        if self.attention is not None:
            encoded = self.attention(adjacency, encoded)
        encoded = self.third(adjacency, encoded)
        if code is None or self.fusion is None:
            return self._predicted(encoded), None
        return self._predicted(encoded), self._predicted(self.fusion(adjacency, encoded, code))

    def _predicted(self, nodes: Tensor) -> Tensor:
        predicted: Tensor = self.head(nodes.mean(dim=2))[:, 0].sigmoid()
        return predicted
