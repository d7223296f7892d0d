"""The networks of AutoFormer: vision transformers whose layers have heads and perceptrons of their own.

References:
    [AutoFormer] Chen, Peng, Fu, Ling. AutoFormer: Searching Transformers for Visual Recognition. ICCV 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.networks.attention import SelfAttention
from eznas.networks.encoder import EncoderLayer, drawn_embedding

if TYPE_CHECKING:
    from collections.abc import Sequence


PATCH = 16
HEAD_CHANNELS = 64
_DISTANCE = 14
_EPSILON, _SHARED_EPSILON = 1e-5, 1e-6


class AutoFormerNetwork(nn.Module):
    """The network of [AutoFormer]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Patches of 16 x 16 pixels become tokens, to which a class token and positions are added. The classifier reads the
    mean of the patches' tokens, as in the released trainings.

    Args:
        layers: Number of heads and hidden channels of the perceptron, for each layer.
        channels: Channels of a token.
        head_channels: Channels of a head; 64 in the paper. With 0, the heads of a layer share the channels of a token,
            there are no relative positions, and normalisations have the epsilon of ViT-Bench-101's released code.
        pixels: Height and width of the images.
        classes: Number of classes.
    """

    def __init__(
        self, layers: Sequence[tuple[int, int]], *, channels: int, head_channels: int, pixels: int, classes: int
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, PATCH, PATCH)
        self.class_token = drawn_embedding(1, 1, channels)
        self.positions = drawn_embedding(1, (pixels // PATCH) ** 2 + 1, channels)
        distance, epsilon = (_DISTANCE, _EPSILON) if head_channels else (0, _SHARED_EPSILON)
        attentions = [
            SelfAttention(channels, heads, head_channels or channels // heads, distance) for heads, _ in layers
        ]
        self.layers: nn.Sequential = nn.Sequential(
            *(
                EncoderLayer(attention, channels, hidden, epsilon)
                for attention, (_, hidden) in zip(attentions, layers, strict=True)
            )
        )
        self.norm = nn.LayerNorm(channels, eps=epsilon)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``b x classes`` logits."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1) + self.positions
        logits: Tensor = self.classifier(self.norm(self.layers(tokens))[:, 1:].mean(1))
        return logits
