"""The networks of NATS-Bench's size space: one cell, five widths.

References:
    [NATS] Dong, Liu, Musial, Gabrys. NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and
        Size. TPAMI 2021.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import nn

from eznas.networks.nasbench201 import Cell, ResidualBlock
from eznas.networks.units import stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


OPERATIONS = ("nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_3x3")
"""The operations of the one cell, node by node: the best on CIFAR-100 in the topology space."""


class SizedNetwork(nn.Sequential):
    """Stem, cell, halving block, cell, halving block, cell, classifier: ``b x 3 x h x w`` to ``b x classes``.

    Args:
        channels: Output channels of the three cells and the two blocks between them; the stem has as many as the first
            cell.
        classes: Number of classes.
    """

    def __init__(self, channels: Sequence[int], *, classes: int) -> None:
        first, last = channels[0], channels[-1]
        stem = OrderedDict(conv=nn.Conv2d(3, first, 3, padding=1, bias=False), norm=nn.BatchNorm2d(first))
        body: list[nn.Module] = []
        for place, (c_in, c_out) in enumerate(zip((first, *channels), channels, strict=False)):
            body.append(ResidualBlock(c_in, c_out) if place % 2 else Cell(OPERATIONS, c_out, c_in))
        between = {"norm": nn.BatchNorm2d(last), "relu": nn.ReLU()}
        super().__init__(stem_body_head(nn.Sequential(stem), body, last, classes, **between))
