"""Networks of two kinds of cells that read the two cells before them: NASNet, AmoebaNet, PNAS, ENAS and DARTS.

A node is the sum of one operation on each of two earlier nodes; the output of a cell concatenates some of its nodes.
The reduction cell, after one and two thirds of the depth, halves the map and doubles the channels.

References:
    [DARTS] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    [NDS] Radosavovic, Johnson, Xie, Lo, Dollar. On Network Design Spaces for Visual Recognition. ICCV 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.networks.max_pooling import MaximumPool
from eznas.networks.pooling import AveragePool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class FactorizedReduce(nn.Module):
    """ReLU, two concatenated 1x1 convolutions of stride 2 one pixel apart, and normalisation.

    ``b x c_in x h x w`` to ``b x c_out x h/2 x w/2``; ``c_out`` is even. With stride 1 it only changes the channels.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 2) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(c_in, c_out // 2, 1, stride, bias=False)
        self.conv_2 = nn.Conv2d(c_in, c_out // 2, 1, stride, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Run both convolutions, the second on the map moved by one pixel and padded with zeros."""
        x = self.relu(x)
        moved = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        out: Tensor = self.norm(torch.cat([self.conv_1(x), self.conv_2(moved)], dim=1))
        return out


class Zero(nn.Module):
    """The operation ``none``: zeros, ``b x c x h/stride x w/stride``."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


def relu_conv_norm(c_in: int, c_out: int, *convolutions: nn.Conv2d) -> nn.Sequential:
    """Return ReLU, convolutions (a 1x1 one where none are given) and normalisation."""
    convs = convolutions or (nn.Conv2d(c_in, c_out, 1, bias=False),)
    return nn.Sequential(nn.ReLU(), *convs, nn.BatchNorm2d(c_out))


def _separable(kernel: int, repeats: int, dilation: int = 1) -> Callable[[int, int], nn.Module]:
    """Depthwise and 1x1 convolution, ``repeats`` times; only the first has the stride."""

    def build(channels: int, stride: int) -> nn.Module:
        padding = dilation * (kernel // 2)
        blocks = []
        for index in range(repeats):
            depthwise = nn.Conv2d(
                channels, channels, kernel, 1 if index else stride, padding, dilation, groups=channels, bias=False
            )
            blocks.append(relu_conv_norm(channels, channels, depthwise, nn.Conv2d(channels, channels, 1, bias=False)))
        return nn.Sequential(*[module for block in blocks for module in block])

    return build


def _plain(kernel: int) -> Callable[[int, int], nn.Module]:
    def build(channels: int, stride: int) -> nn.Module:
        convolution = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, bias=False)
        return relu_conv_norm(channels, channels, convolution)

    return build


def _crossed(kernel: int) -> Callable[[int, int], nn.Module]:
    """A ``1 x kernel`` and a ``kernel x 1`` convolution, each with the stride along its own axis."""

    def build(channels: int, stride: int) -> nn.Module:
        half = kernel // 2
        wide = nn.Conv2d(channels, channels, (1, kernel), (1, stride), (0, half), bias=False)
        high = nn.Conv2d(channels, channels, (kernel, 1), (stride, 1), (half, 0), bias=False)
        return relu_conv_norm(channels, channels, wide, high)

    return build


def _average(_: int, stride: int) -> nn.Module:
    return AveragePool() if stride == 1 else nn.AvgPool2d(3, stride, 1, count_include_pad=False)


def _maximum(kernel: int) -> Callable[[int, int], nn.Module]:
    return lambda _, stride: MaximumPool(kernel, stride, kernel // 2)


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda _, stride: Zero(stride),
    "skip_connect": lambda channels, stride: nn.Identity() if stride == 1 else FactorizedReduce(channels, channels),
    "avg_pool_3x3": _average,
    "max_pool_3x3": _maximum(3),
    "max_pool_5x5": _maximum(5),
    "max_pool_7x7": _maximum(7),
    "conv_1x1": _plain(1),
    "conv_3x3": _plain(3),
    "conv_3x1_1x3": _crossed(3),
    "conv_7x1_1x7": _crossed(7),
    "sep_conv_3x3": _separable(3, 2),
    "sep_conv_5x5": _separable(5, 2),
    "sep_conv_7x7": _separable(7, 2),
    "dil_conv_3x3": _separable(3, 1, dilation=2),
    "dil_conv_5x5": _separable(5, 1, dilation=2),
    "dil_sep_conv_3x3": _separable(3, 2, dilation=2),
}
"""The builder of each operation, given channels and stride."""


class Cell(nn.Module):
    """A cell on the outputs of the two cells before it.

    Args:
        edges: Operation and input of each edge, two for each node; inputs 0 and 1 are the two previous cells.
        concat: The nodes to concatenate as output.
        entering: Channels of the two previous cells.
        channels: Channels of each node.
        reduction: Whether the cell halves the map.
        after_reduction: Whether the previous cell halved the map, so that the one before it has a larger map.
    """

    def __init__(
        self,
        edges: Sequence[tuple[str, int]],
        concat: Sequence[int],
        entering: tuple[int, int],
        channels: int,
        *,
        reduction: bool,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        older, newer = entering
        shrink = FactorizedReduce if after_reduction else relu_conv_norm
        self.older = shrink(older, channels)
        self.newer = relu_conv_norm(newer, channels)
        self.inputs = tuple(source for _, source in edges)
        self.concat = tuple(concat)
        self.edges = nn.ModuleList(
            OPERATIONS[name](channels, 2 if reduction and source in (0, 1) else 1) for name, source in edges
        )

    def forward(self, older: Tensor, newer: Tensor) -> Tensor:
        """Return ``b x len(concat) * channels x h x w``."""
        nodes = [self.older(older), self.newer(newer)]
        terms = list(self.edges)
        for left in range(0, len(terms), 2):
            first = terms[left](nodes[self.inputs[left]])
            nodes.append(first + terms[left + 1](nodes[self.inputs[left + 1]]))
        return torch.cat([nodes[node] for node in self.concat], dim=1)


class CellNetwork(nn.Module):
    """Stem, cells, classifier: ``b x 3 x h x w`` images to ``b x classes`` logits; without auxiliary head.

    Args:
        normal: Edges and output nodes of the normal cell.
        reduce: Edges and output nodes of the reduction cell.
        width: Channels of a node in the first cells.
        depth: Number of cells.
        classes: Number of classes.
        large: Whether the stem is that for ImageNet, which divides the map by 8, instead of that for CIFAR.
    """

    def __init__(
        self,
        normal: tuple[Sequence[tuple[str, int]], Sequence[int]],
        reduce: tuple[Sequence[tuple[str, int]], Sequence[int]],
        *,
        width: int,
        depth: int,
        classes: int,
        large: bool,
    ) -> None:
        super().__init__()
        self.large = large
        if large:
            self.stem = nn.Sequential(
                nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width // 2),
                nn.ReLU(),
                nn.Conv2d(width // 2, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
            )
            self.stem_2 = relu_conv_norm(width, width, nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False))
        else:
            self.stem = nn.Sequential(nn.Conv2d(3, 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width))
        older = newer = width if large else 3 * width
        halving = (depth // 3, 2 * depth // 3)
        self.cells = nn.ModuleList()
        channels = width
        for place in range(depth):
            channels *= 2 if place in halving else 1
            edges, concat = reduce if place in halving else normal
            self.cells.append(
                Cell(
                    edges,
                    concat,
                    (older, newer),
                    channels,
                    reduction=place in halving,
                    after_reduction=place - 1 in halving if place else large,
                )
            )
            older, newer = newer, len(concat) * channels
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(newer, classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        older = self.stem(x)
        newer = self.stem_2(older) if self.large else older
        for cell in self.cells:
            older, newer = newer, cell(older, newer)
        logits: Tensor = self.classifier(newer)
        return logits
