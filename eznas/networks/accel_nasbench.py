"""The networks of Accel-NASBench: inverted residuals with SiLU and optional channel weights, in seven blocks.

References:
    [Accel] Ahmad, Zhang, Manzoor, Bilal, Ahmed. Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS.
        DAC 2024.
    [EfficientNet] Tan, Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from eznas.networks.units import normalised, stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


_STEM, _STRIDES, _CHANNELS = 32, (1, 2, 2, 2, 1, 2, 1), (16, 24, 40, 80, 112, 192, 320)
_LAST = 4  # times the last block's channels: 1,280
_SQUEEZE = 4


class Block(NamedTuple):
    """The choices of a block.

    Args:
        expansion: Inner channels of its layers, as a multiple of their input.
        kernel: Kernel of the depthwise convolutions.
        layers: Number of layers.
        squeezed: Whether the layers weight their inner channels.
    """

    expansion: int
    kernel: int
    layers: int
    squeezed: bool


class ChannelWeights(nn.Module):
    """The input times a weight of each channel, which two 1x1 convolutions compute from the pooled map."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, inner, 1),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c x h x w``."""
        weights: Tensor = self.weights(x)
        return x * weights


class InvertedResidual(nn.Module):
    """The layer of [EfficientNet]; plus the input where the shape stays.

    A 1x1 convolution expands the channels, unless the expansion is 1; a depthwise one follows, and a 1x1 projection.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, block: Block) -> None:
        super().__init__()
        inner = block.expansion * c_in
        layers: list[nn.Module] = [] if inner == c_in else [*normalised(c_in, inner), nn.SiLU()]
        layers += [*normalised(inner, inner, block.kernel, stride, inner), nn.SiLU()]
        if block.squeezed:
            layers.append(ChannelWeights(inner, max(1, c_in // _SQUEEZE)))
        self.main = nn.Sequential(*layers, *normalised(inner, c_out))
        self.same = c_in == c_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c_out x h/stride x w/stride``."""
        main: Tensor = self.main(x)
        return main + x if self.same else main


class AccelNetwork(nn.Sequential):
    """The network of [Accel]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        blocks: The seven blocks.
        width: Channels of all layers, as a multiple of the benchmark's.
        classes: Number of classes.
    """

    def __init__(self, blocks: Sequence[Block], *, width: float, classes: int) -> None:
        stem_channels, *channels = (max(1, round(count * width)) for count in (_STEM, *_CHANNELS))
        body: list[nn.Module] = []
        c_in = stem_channels
        for block, c_out, stride in zip(blocks, channels, _STRIDES, strict=True):
            for place in range(block.layers):
                body.append(InvertedResidual(c_in, c_out, 1 if place else stride, block))
                c_in = c_out
        stem = nn.Sequential(*normalised(3, stem_channels, 3, 2), nn.SiLU())
        last = nn.Sequential(*normalised(c_in, _LAST * c_in), nn.SiLU())
        super().__init__(stem_body_head(stem, body, _LAST * c_in, classes, last=last))
