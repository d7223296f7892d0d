"""Small classifiers of several kinds, for tests of measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.networks import construct, initialise
from eznas.networks.nasbench201 import CellNetwork

if TYPE_CHECKING:
    from collections.abc import Callable


PIXELS = 12
"""The height and width of the classifiers' images; convolutional classifiers take other sizes too."""


class _Attention(nn.Module):
    """Softmax attention with two heads: ``b x t x c`` to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = 2, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed: Tensor = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class _EncoderBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(width), _Attention(width)
        self.middle = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before(x))
        out: Tensor = x + self.mlp(self.middle(x))
        return out


class _Transformer(nn.Module):
    """Patch embedding, class token, position embedding, two encoder blocks, head."""

    def __init__(self, width: int = 8, patch: int = 4) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (PIXELS // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(_EncoderBlock(width), _EncoderBlock(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.position
        out: Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return out


class _DepthwiseBlock(nn.Module):
    """Inverted residual: 1x1, depthwise 3x3, grouped 1x1."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        inner = 2 * width
        self.body = nn.Sequential(
            nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, width, 1, groups=2, bias=False),
            nn.BatchNorm2d(width),
        )
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out + x if self.stride == 1 else out


def _head(width: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]


def _depthwise() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
    return nn.Sequential(stem, _DepthwiseBlock(8, 1), _DepthwiseBlock(8, 2), _DepthwiseBlock(8, 1), *_head(8))


def _without_norm() -> nn.Module:
    first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True))
    second = nn.Sequential(nn.Conv2d(6, 8, 3, 2, padding=1), nn.LeakyReLU(0.1))
    return nn.Sequential(first, second, nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()), *_head(8))


def _linear() -> nn.Module:
    wide = 3 * PIXELS**2
    return nn.Sequential(nn.Flatten(), nn.Linear(wide, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 10))


def _cells() -> nn.Module:
    operations = ["nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3", "nor_conv_3x3", "none"]
    network = CellNetwork(operations, cells=1, channels=4, classes=10)
    initialise(network, 0)
    return network


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "cells": _cells,
    "depthwise": _depthwise,
    "linear": _linear,
    "transformer": _Transformer,
    "without_norm": _without_norm,
}
"""Constructors by name: a NAS-Bench-201 network; grouped and depthwise convolutions; linear layers alone; a vision
transformer; convolutions without normalisation."""


def classifier(name: str) -> nn.Module:
    """Return one of ``CLASSIFIERS``, always with the same weights."""
    return construct(CLASSIFIERS[name])
