"""The networks of the PiT space of ViT-Bench-101: vision transformers whose tokens are pooled twice.

References:
    [PiT] Heo, Yun, Han, Chun, Choe, Oh. Rethinking Spatial Dimensions of Vision Transformers. ICCV 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.networks.attention import SelfAttention
from eznas.networks.encoder import EncoderLayer, drawn_embedding

if TYPE_CHECKING:
    from collections.abc import Sequence


PATCH, STRIDE = 16, 8
EPSILON = 1e-6
"""Added to the variance by the normalisations, as in the released code of [PiT]."""


class PoolingStage(nn.Module):
    """Encoder layers on a map and a class token.

    Where the stage has an entrance, the map is halved by a depthwise convolution before, which multiplies the channels,
    and the class token goes through a linear layer.

    Args:
        entrance: Channels that enter the stage; 0 for the first stage.
        channels: Channels of a token.
        layers: Number of layers.
        heads: Heads of a layer.
        hidden: Hidden channels of a perceptron.
    """

    def __init__(self, entrance: int, channels: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.pool = nn.Conv2d(entrance, channels, 3, 2, 1, groups=entrance) if entrance else nn.Identity()
        self.widen = nn.Linear(entrance, channels) if entrance else nn.Identity()
        attentions = (SelfAttention(channels, heads, channels // heads) for _ in range(layers))
        self.layers = nn.Sequential(*(EncoderLayer(one, channels, hidden, EPSILON) for one in attentions))

    def forward(self, image: Tensor, class_token: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map ``b x c x h x w`` and the class token ``b x 1 x c``."""
        pooled = self.pool(image)
        patches = pooled.flatten(2).transpose(1, 2)
        tokens = self.layers(torch.cat([self.widen(class_token), patches], dim=1))
        return tokens[:, 1:].transpose(1, 2).unflatten(2, pooled.shape[2:]), tokens[:, :1]


class PitNetwork(nn.Module):
    """The network of [PiT]: ``b x 3 x h x w`` images to ``b x classes`` logits.

    Patches of 16 x 16 pixels at every eighth pixel become a map, to which positions are added. Three stages follow. The
    classifier reads the class token.

    Args:
        stages: Number of layers and of heads, for each stage.
        head_channels: Channels of a head in all stages.
        ratio: Hidden channels of a perceptron, as a multiple of a token's channels.
        pixels: Height and width of the images.
        classes: Number of classes.
    """

    def __init__(
        self, stages: Sequence[tuple[int, int]], *, head_channels: int, ratio: int, pixels: int, classes: int
    ) -> None:
        super().__init__()
        side = (pixels - PATCH) // STRIDE + 1
        channels = head_channels * stages[0][1]
        self.patches = nn.Conv2d(3, channels, PATCH, STRIDE)
        self.class_token = drawn_embedding(1, 1, channels)
        self.positions = drawn_embedding(1, channels, side, side)
        built: list[nn.Module] = []
        entrance = 0
        for layers, heads in stages:
            channels = head_channels * heads
            built.append(PoolingStage(entrance, channels, layers, heads, ratio * channels))
            entrance = channels
        self.stages = nn.ModuleList(built)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``b x classes`` logits."""
        image, class_token = self.patches(images) + self.positions, self.class_token.expand(len(images), -1, -1)
        for stage in self.stages:
            image, class_token = stage(image, class_token)
        logits: Tensor = self.classifier(self.norm(class_token[:, 0]))
        return logits
