"""The networks of TransNAS-Bench-101: a stem that divides the map by four, layers of two equal blocks, a classifier.

References:
    [TransNAS] Duan, Chen, Xu, Chen, Liang, Zhang, Li. TransNAS-Bench-101: Improving Transferability and
        Generalizability of Cross-Task Neural Architecture Search. CVPR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from eznas.networks.nasbench201 import ReLUConvBN, SummedNodes
from eznas.networks.nasnet import FactorizedReduce

if TYPE_CHECKING:
    from collections.abc import Sequence


_BLOCKS = 2


class Zero(nn.Module):
    """The operation 0: zeros, ``b x c_out x h/stride x w/stride``."""

    def __init__(self, c_out: int, stride: int) -> None:
        super().__init__()
        self.c_out = c_out
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, through which gradients are zero."""
        small = x[:, :1, :: self.stride, :: self.stride].mul(0.0)
        return small.expand(-1, self.c_out, -1, -1)


def _operation(digit: str, c_in: int, c_out: int, stride: int) -> nn.Module:
    match digit:
        case "0":
            return Zero(c_out, stride)
        case "1":
            same = c_in == c_out and stride == 1
            return nn.Identity() if same else FactorizedReduce(c_in, c_out, stride)
        case _:
            return ReLUConvBN(c_in, c_out, 1 if digit == "2" else 3, stride)


class MicroCell(SummedNodes):
    """A cell of four nodes, ``c_in`` to ``c_out`` channels.

    Args:
        digits: The operations, node by node: 0 nothing, 1 identity, 2 a 1x1 and 3 a 3x3 unit.
        c_in: Channels of the input.
        c_out: Channels of the other nodes.
        stride: Stride of the edges from the input.
    """

    def __init__(self, digits: str, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(
            digits, lambda digit, source: _operation(digit, c_out if source else c_in, c_out, 1 if source else stride)
        )


class BasicBlock(nn.Module):
    """Two 3x3 units beside a shortcut, which is a normalised 1x1 convolution where the shape changes."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        same = c_in == c_out and stride == 1
        projection = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
        self.shortcut = nn.Identity() if same else nn.Sequential(projection, nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c_out x h/stride x w/stride``."""
        main: Tensor = self.conv_b(self.conv_a(x))
        shortcut: Tensor = self.shortcut(x)
        return shortcut + main


class LayerNetwork(nn.Sequential):
    """The network of [TransNAS] for classification: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        layers: A digit for each layer: 2 and 4 double the channels, 3 and 4 halve the map.
        cell: The digits of the cell of every block, node by node; empty for residual blocks.
        channels: Output channels of the stem; 64 in the benchmark.
        classes: Number of classes.
    """

    def __init__(self, layers: Sequence[int], cell: str, *, channels: int, classes: int) -> None:
        stem = nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False)
        body: list[nn.Module] = [
            nn.Sequential(stem, nn.BatchNorm2d(channels // 2), ReLUConvBN(channels // 2, channels, 3, 2))
        ]
        c_in = channels
        for layer in layers:
            c_out, halving = c_in * (2 if layer in (2, 4) else 1), 2 if layer in (3, 4) else 1
            for block in range(_BLOCKS):
                stride = 1 if block else halving
                body.append(MicroCell(cell, c_in, c_out, stride) if cell else BasicBlock(c_in, c_out, stride))
                c_in = c_out
        super().__init__(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes))
