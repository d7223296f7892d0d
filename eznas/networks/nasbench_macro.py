"""The networks of NAS-Bench-Macro: a stem, eight layers in three stages, a wide 1x1 unit, a classifier.

References:
    [Macro] Su, Huang, Li, You, Wang, Qian, Zhang, Xu. Prioritized Architecture Sampling with Monto-Carlo Tree Search.
        CVPR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from eznas.networks.units import normalised, stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


STAGES = (2, 3, 3)
"""Layers a stage; the first of each halves the map and doubles the channels."""

_SHAPES = {"1": (3, 3), "2": (6, 5)}  # expansion and kernel
_LAST = 40  # times the stem's channels: 1,280


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; plus the input where the shape stays."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int, kernel: int) -> None:
        super().__init__()
        inner = expansion * c_in
        self.main = nn.Sequential(
            *normalised(c_in, inner),
            nn.ReLU(),
            *normalised(inner, inner, kernel, stride, inner),
            nn.ReLU(),
            *normalised(inner, c_out),
        )
        self.same = c_in == c_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c_out x h/stride x w/stride``."""
        main: Tensor = self.main(x)
        return main + x if self.same else main


class MacroNetwork(nn.Sequential):
    """The network of [Macro]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        layers: A digit for each layer: 0 identity, 1 expansion 3 and kernel 3, 2 expansion 6 and kernel 5.
        channels: Channels of the stem; 32 in the benchmark.
        classes: Number of classes.
    """

    def __init__(self, layers: Sequence[str], *, channels: int, classes: int) -> None:
        digits = iter(layers)
        body: list[nn.Module] = []
        c_in = channels
        for count in STAGES:
            for place in range(count):
                c_out, stride = (c_in, 1) if place else (2 * c_in, 2)
                digit = next(digits)
                if digit in _SHAPES:
                    body.append(InvertedResidual(c_in, c_out, stride, *_SHAPES[digit]))
                else:
                    body.append(nn.Identity() if place else nn.Sequential(*normalised(c_in, c_out, stride=stride)))
                c_in = c_out
        stem = nn.Sequential(*normalised(3, channels, 3), nn.ReLU())
        last = nn.Sequential(*normalised(c_in, _LAST * channels), nn.ReLU())
        super().__init__(stem_body_head(stem, body, _LAST * channels, classes, last=last))
