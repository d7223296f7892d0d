"""Modules that several families of networks are made of."""

from __future__ import annotations

from torch import nn

__all__ = ["normalised"]


def normalised(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the map but for its stride, without bias, and its batch normalisation."""
    convolution = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(c_out)]
