"""The networks of NAS-Bench-201: a stem, three stages of equal cells, two residual blocks that halve the map.

Modules are registered in the order in which they run: node by node, and within a node by source.

References:
    [NB201] Dong, Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search. ICLR
        2020.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import Tensor, nn

from eznas.networks.pooling import AveragePool
from eznas.networks.units import stem_body_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, batch normalisation: ``b x c_in x h x w`` to ``b x c_out x h/s x w/s``."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        convolution = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
        super().__init__(OrderedDict(relu=nn.ReLU(), conv=convolution, norm=nn.BatchNorm2d(c_out)))


class Nothing(nn.Module):
    """The operation ``none``: zeros of the input's shape, through which gradients are zero."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``0 * x``."""
        return x.mul(0.0)


def _skip(c_in: int, c_out: int) -> nn.Module:
    """Return the identity, or a projection where the channels differ."""
    if c_in == c_out:
        return nn.Identity()
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(c_in, c_out, 1, bias=False), norm=nn.BatchNorm2d(c_out)))


OPERATION_MODULES: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda *_: Nothing(),
    "skip_connect": _skip,
    "nor_conv_1x1": lambda c_in, c_out: ReLUConvBN(c_in, c_out, 1),
    "nor_conv_3x3": lambda c_in, c_out: ReLUConvBN(c_in, c_out, 3),
    "avg_pool_3x3": lambda *_: AveragePool(),
}
"""By the name of an operation, a function that makes its module from the channels of input and output."""


class SummedNodes(nn.Module):
    """Nodes, each the sum of one operation on every node before it; the last is the output.

    Args:
        operations: The operations on the edges, node by node, and within a node by source.
        edge: Makes the module of an operation, given its source.
    """

    def __init__(self, operations: Sequence[str], edge: Callable[[str, int], nn.Module]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()
        named = iter(operations)
        self.nodes = 0
        while len(self.edges) < len(operations):
            self.nodes += 1
            for source in range(self.nodes):
                self.edges[f"{source}_{self.nodes}"] = edge(next(named), source)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last node."""
        values = [x]
        edges = iter(self.edges.values())
        for _ in range(self.nodes):
            terms: list[Tensor] = [next(edges)(value) for value in values]
            values.append(sum(terms[1:], terms[0]))
        return values[-1]


class Cell(SummedNodes):
    """A cell, ``b x c_in x h x w`` to ``b x c x h x w``.

    Args:
        operations: Their names, node by node.
        channels: The cell's ``c``.
        c_in: The channels of its input, where they differ; ``none`` and ``avg_pool_3x3``, which keep the channels, must
            then not be on an edge from it.
    """

    def __init__(self, operations: Sequence[str], channels: int, c_in: int = 0) -> None:
        super().__init__(
            operations, lambda name, source: OPERATION_MODULES[name](channels if source else c_in or channels, channels)
        )


class ResidualBlock(nn.Module):
    """Two 3x3 units beside a pooled 1x1 shortcut: ``b x c_in x h x w`` to ``b x c_out x h/2 x w/2``."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride=2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        self.shortcut = nn.Sequential(OrderedDict(pool=nn.AvgPool2d(2), conv=nn.Conv2d(c_in, c_out, 1, bias=False)))

    def forward(self, x: Tensor) -> Tensor:
        """Run the units, then the shortcut, and add."""
        main: Tensor = self.conv_b(self.conv_a(x))
        shortcut: Tensor = self.shortcut(x)
        return shortcut + main


class CellNetwork(nn.Sequential):
    """The network of [NB201] around one kind of cell: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        operations: The cell's operations, node by node.
        cells: Cells a stage; 5 in the benchmark.
        channels: Channels of the first stage, doubled in each further one; 16 in the benchmark.
        classes: Number of classes.
    """

    def __init__(self, operations: Sequence[str], *, cells: int, channels: int, classes: int) -> None:
        super().__init__(skeleton(lambda width: Cell(operations, width), cells, channels, classes))


def skeleton(cell: Callable[[int], nn.Module], cells: int, channels: int, classes: int) -> OrderedDict[str, nn.Module]:
    """Return the parts of the network of [NB201] around cells.

    Args:
        cell: Makes a cell of a number of channels.
        cells: Cells a stage.
        channels: Channels of the first stage, doubled in each further one.
        classes: Number of classes.
    """
    stem = OrderedDict(conv=nn.Conv2d(3, channels, 3, padding=1, bias=False), norm=nn.BatchNorm2d(channels))
    body: list[nn.Module] = []
    for width in (channels, 2 * channels, 4 * channels):
        if body:
            body.append(ResidualBlock(width // 2, width))
        body += [cell(width) for _ in range(cells)]
    last = {"norm": nn.BatchNorm2d(4 * channels), "relu": nn.ReLU()}
    return stem_body_head(nn.Sequential(stem), body, 4 * channels, classes, **last)
