"""ResNets, ResNeXts and plain networks of any depths and widths: a stem, stages of equal blocks, a classifier.

References:
    [NDS] Radosavovic, Johnson, Xie, Lo, Dollar. On Network Design Spaces for Visual Recognition. ICCV 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from eznas.networks.max_pooling import MaximumPool
from eznas.networks.units import normalised, stem_body_head

if TYPE_CHECKING:
    from collections.abc import Sequence


_STEM = 16
_LARGE_STEM = 12
"""Output channels of the stem."""


class Residual(nn.Module):
    """``relu(shortcut(x) + main(x))``; the shortcut is a normalised 1x1 convolution where the shape changes."""

    def __init__(self, c_in: int, c_out: int, stride: int, main: nn.Module) -> None:
        super().__init__()
        changes = c_in != c_out or stride != 1
        self.shortcut = nn.Sequential(*normalised(c_in, c_out, 1, stride)) if changes else nn.Identity()
        self.main = main
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x c_out x h/stride x w/stride``."""
        out: Tensor = self.relu(self.shortcut(x) + self.main(x))
        return out


def _block(kind: str, c_in: int, c_out: int, stride: int, inner: int, groups: int) -> nn.Module:
    if kind == "res_bottleneck_block":
        squeeze = [*normalised(c_in, inner, 1), nn.ReLU()]
        main = [*squeeze, *normalised(inner, inner, 3, stride, groups), nn.ReLU(), *normalised(inner, c_out, 1)]
        return Residual(c_in, c_out, stride, nn.Sequential(*main))
    two = [*normalised(c_in, c_out, 3, stride), nn.ReLU(), *normalised(c_out, c_out, 3)]
    if kind == "res_basic_block":
        return Residual(c_in, c_out, stride, nn.Sequential(*two))
    return nn.Sequential(*two, nn.ReLU())


class AnyNet(nn.Sequential):
    """``b x 3 x h x w`` images to ``b x classes`` logits.

    Args:
        kind: ``vanilla_block``, ``res_basic_block`` or ``res_bottleneck_block``.
        stages: Depth, width, stride, inner width and groups of each stage.
        classes: Number of classes.
        large: Whether the stem is that for ImageNet, which makes the map smaller.
    """

    def __init__(
        self, kind: str, stages: Sequence[tuple[int, int, int, int, int]], *, classes: int, large: bool
    ) -> None:
        c_in = _LARGE_STEM if large else _STEM
        if not large:
            stem = [*normalised(3, c_in, 3), nn.ReLU()]
        elif kind == "vanilla_block":
            stem = [*normalised(3, c_in, 3, 2), nn.ReLU()]
        else:
            stem = [*normalised(3, c_in, 7, 2), nn.ReLU(), MaximumPool(3, 2, 1)]
        body: list[nn.Module] = []
        for depth, width, stride, inner, groups in stages:
            for place in range(depth):
                body.append(_block(kind, c_in, width, 1 if place else stride, inner, groups))
                c_in = width
        super().__init__(stem_body_head(nn.Sequential(*stem), body, c_in, classes))
