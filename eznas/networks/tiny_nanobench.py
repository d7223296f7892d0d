"""The networks of Tiny-NanoBench: a stem, and three stages of equal cells, halved and doubled in between.

References:
    [Siamese] Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural
        Architecture by Prior Knowledge. 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.networks.units import stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


_STAGES, _EXPANSION, _QUARTER = 3, 3, 4


def _convolution(c_in: int, c_out: int, kernel: int, groups: int = 1) -> list[nn.Module]:
    """Return a padded convolution without bias and its normalisation, with the constants of [Siamese]."""
    convolution = nn.Conv2d(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(c_out, eps=1e-4, momentum=0.003)]


def _depthwise(channels: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(channels, channels, 3, channels), nn.Mish())


class ChannelAttention(nn.Module):
    """Weights of channels from the attention between a quarter as many values of the pooled map.

    The weights are ``hard_sigmoid(W softmax(q k') v)`` with ``q``, ``k`` and ``v`` from 1x1 convolutions and Mish.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // _QUARTER)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.query, self.key, self.value = (
            nn.Sequential(nn.Conv2d(channels, inner, 1, bias=False), nn.Mish()) for _ in range(3)
        )
        self.weights = nn.Sequential(nn.Conv2d(inner, channels, 1, bias=False), nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c x h x w``."""
        pooled = self.pool(x)
        query, key, value = (part(pooled).flatten(1) for part in (self.query, self.key, self.value))
        attention = (query[:, :, None] * key[:, None, :]).softmax(dim=2)
        attended = (attention @ value[:, :, None])[..., None]
        weights: Tensor = self.weights(attended)
        return x * weights


class Expand(nn.Module):
    """Three depthwise units in a chain, each plus the input; the concatenation of their results."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.chain = nn.ModuleList(_depthwise(channels) for _ in range(_EXPANSION))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x 3c x h x w``."""
        results = []
        current = x
        for unit in self.chain:
            current = unit(current) + x
            results.append(current)
        return torch.cat(results, dim=1)


class Cell(nn.Module):
    """A cell, ``b x c_in x h x w`` to ``b x c_out x h x w``; plus the input where the channels agree.

    A node runs its operation on the concatenation of its sources. ``split`` gives each of its two targets half of the
    channels. The output is a 1x1 unit without activation where the channels are not ``c_out`` yet.

    Args:
        operations: The operation of each node but the output.
        targets: The nodes that read it, ascending; the last node is the output.
        c_in: Channels of the input.
        c_out: Channels of the output, and of each ``conv1x1``.
    """

    def __init__(self, operations: Sequence[str], targets: Sequence[Sequence[int]], c_in: int, c_out: int) -> None:
        super().__init__()
        self.targets = [list(read) for read in targets]
        self.split = [operation == "split" for operation in operations]
        self.residual = c_in == c_out
        sizes = [c_in, *[0] * len(operations)]
        nodes: list[nn.Module] = []
        for node, operation in enumerate(operations):
            size = sizes[node]
            match operation:
                case "dwconv3x3":
                    nodes.append(_depthwise(size))
                case "conv1x1":
                    nodes.append(nn.Sequential(*_convolution(size, c_out, 1), nn.Mish()))
                    size = c_out
                case "atten":
                    nodes.append(ChannelAttention(size))
                case "expand":
                    nodes.append(Expand(size))
                    size *= _EXPANSION
                case _:
                    nodes.append(nn.Identity())
            for target in targets[node]:
                sizes[target] += size // 2 if operation == "split" else size
        self.nodes = nn.ModuleList(nodes)
        matched = sizes[-1] == c_out
        self.output = nn.Identity() if matched else nn.Sequential(*_convolution(sizes[-1], c_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output node."""
        read: list[list[Tensor]] = [[x], *([] for _ in self.nodes)]
        for node, operation in enumerate(self.nodes):
            result = operation(_joined(read[node]))
            parts = result.chunk(2, dim=1) if self.split[node] else [result]
            for target, part in zip(self.targets[node], parts, strict=True):
                read[target].append(part)
        output: Tensor = self.output(_joined(read[-1]))
        return output + x if self.residual else output


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


class Stage(nn.Module):
    """Equal cells in a chain; plus the result of the first where there are several."""

    def __init__(self, cells: Sequence[nn.Module]) -> None:
        super().__init__()
        self.first, self.rest = cells[0], nn.Sequential(*cells[1:])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c_out x h x w``."""
        first: Tensor = self.first(x)
        return first + self.rest(first) if len(self.rest) else first


class NanoNetwork(nn.Sequential):
    """The network of [Siamese]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        operations: See ``Cell``.
        targets: See ``Cell``.
        cells: Cells a stage; 3 in the paper.
        channels: Channels of the stem and the first stage, doubled twice.
        classes: Number of classes.
    """

    def __init__(
        self, operations: Sequence[str], targets: Sequence[Sequence[int]], *, cells: int, channels: int, classes: int
    ) -> None:
        body: list[nn.Module] = []
        c_in = channels
        for stage in range(_STAGES):
            if stage:
                body.append(nn.AvgPool2d(2))
            width = channels << stage
            body.append(Stage([Cell(operations, targets, width if place else c_in, width) for place in range(cells)]))
            c_in = width
        stem = nn.Sequential(*_convolution(3, channels, 3), nn.Mish())
        super().__init__(stem_body_head(stem, body, c_in, classes))
