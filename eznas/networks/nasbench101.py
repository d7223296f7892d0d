"""The networks of NAS-Bench-101: a stem, three stacks of equal cells, the map halved and channels doubled between.

References:
    [NB101] Ying, Klein, Christiansen, Real, Murphy, Hutter. NAS-Bench-101: Towards Reproducible Neural
        Architecture Search. ICML 2019.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.networks.max_pooling import MaximumPool
from eznas.networks.units import stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


_STACKS = 3


def _unit(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=convolution, norm=nn.BatchNorm2d(c_out), relu=nn.ReLU()))


def vertex_channels(matrix: Sequence[Sequence[int]], c_in: int, c_out: int) -> list[int]:
    """Return the channels of each vertex.

    Vertices that lead to the output share its channels, and the first of them take the remainder. Every other vertex
    has as many channels as the largest vertex that it leads to.
    """
    last = len(matrix) - 1
    shared = [vertex for vertex in range(1, last) if matrix[vertex][last]]
    channels = [c_in, *[0] * (last - 1), c_out]
    for place, vertex in enumerate(shared):
        channels[vertex] = c_out // len(shared) + (place < c_out % len(shared))
    for vertex in range(last - 1, 0, -1):
        if not matrix[vertex][last]:
            channels[vertex] = max(channels[other] for other in range(vertex + 1, last) if matrix[vertex][other])
    return channels


class Cell(nn.Module):
    """A cell, ``b x c_in x h x w`` to ``b x c_out x h x w``.

    A vertex adds its inputs and runs its operation; the cell's input comes through a 1x1 unit, and other vertices are
    cut to its channels. The output is the concatenation of the vertices that lead to it, plus the cell's input through
    a 1x1 unit where an edge connects the two.

    Args:
        matrix: The adjacency matrix, upper triangular.
        operations: The operations of the inner vertices.
        c_in: Channels of the input.
        c_out: Channels of the output.
    """

    def __init__(self, matrix: Sequence[Sequence[int]], operations: Sequence[str], c_in: int, c_out: int) -> None:
        super().__init__()
        self.matrix = [list(row) for row in matrix]
        self.channels = vertex_channels(matrix, c_in, c_out)
        self.projections = nn.ModuleDict()
        self.operations = nn.ModuleDict()
        for vertex in range(1, len(matrix)):
            channels = self.channels[vertex]
            if matrix[0][vertex]:
                self.projections[str(vertex)] = _unit(c_in, channels, 1)
            if vertex <= len(operations):
                name = operations[vertex - 1]
                kernel = 3 if name == "conv3x3-bn-relu" else 1
                pool = name == "maxpool3x3"
                self.operations[str(vertex)] = MaximumPool(3, 1, 1) if pool else _unit(channels, channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output vertex."""
        last = len(self.matrix) - 1
        values = [x]
        for vertex in range(1, last):
            channels = self.channels[vertex]
            terms = [values[other][:, :channels] for other in range(1, vertex) if self.matrix[other][vertex]]
            values.append(self.operations[str(vertex)](sum(terms, self._projected(x, vertex))))
        joined = [values[vertex] for vertex in range(1, last) if self.matrix[vertex][last]]
        out = self._projected(x, last)
        return torch.cat(joined, dim=1) + out if joined else torch.as_tensor(out)

    def _projected(self, x: Tensor, vertex: int) -> Tensor | float:
        if not self.matrix[0][vertex]:
            return 0.0
        projected: Tensor = self.projections[str(vertex)](x)
        return projected


class CellNetwork(nn.Sequential):
    """The network of [NB101]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        matrix: The cell's adjacency matrix.
        operations: The operations of its inner vertices.
        cells: Cells a stack; 3 in the benchmark.
        channels: Channels of the first stack; 128 in the benchmark.
        classes: Number of classes.
    """

    def __init__(
        self, matrix: Sequence[Sequence[int]], operations: Sequence[str], *, cells: int, channels: int, classes: int
    ) -> None:
        body: list[nn.Module] = []
        c_in = channels
        for stack in range(_STACKS):
            if stack:
                body.append(nn.MaxPool2d(2))
            for _ in range(cells):
                body.append(Cell(matrix, operations, c_in, channels << stack))
                c_in = channels << stack
        super().__init__(stem_body_head(_unit(3, channels, 3), body, c_in, classes))
