"""Self-attention of several heads, also with relative positions on a grid.

References:
    [Shaw] Shaw, Uszkoreit, Vaswani. Self-Attention with Relative Position Representations. NAACL 2018.
    [AutoFormer] Chen, Peng, Fu, Ling. AutoFormer: Searching Transformers for Visual Recognition. ICCV 2021.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class RelativePositions(nn.Module):
    """Vectors for the pairs of tokens of a square grid, with a class token in front; [AutoFormer], after [Shaw].

    The vector of a pair is the sum of two rows: one for the vertical and one for the horizontal distance, which are
    clipped. Pairs with the class token have the first row of both tables.

    Args:
        channels: Channels of a vector.
        distance: The largest distance that has a row of its own.
    """

    def __init__(self, channels: int, distance: int) -> None:
        super().__init__()
        self.distance = distance
        self.vertical, self.horizontal = (
            nn.Parameter(nn.init.trunc_normal_(torch.empty(2 * distance + 2, channels), std=0.02)) for _ in range(2)
        )

    def forward(self, tokens: int) -> Tensor:
        """Return ``tokens x tokens x channels``, from the first axis' token to that of the second."""
        side = math.isqrt(tokens - 1)
        places = torch.arange(tokens - 1, device=self.vertical.device)
        vectors = []
        for table, place in ((self.vertical, places // side), (self.horizontal, places % side)):
            apart = (place[None, :] - place[:, None]).clamp(-self.distance, self.distance) + self.distance + 1
            vectors.append(table[nn.functional.pad(apart, (1, 0, 1, 0))])
        return vectors[0] + vectors[1]


class SelfAttention(nn.Module):
    """Attention among tokens, ``b x n x c`` to ``b x n x c``.

    The output is ``W softmax(q k' / sqrt(d)) v`` with the heads' outputs side by side. With relative positions, each
    key and each value gets the vector of the pair of tokens added.

    Args:
        channels: Channels ``c`` of the tokens.
        heads: Number of heads.
        head_channels: Channels ``d`` of a head.
        distance: See ``RelativePositions``; 0 for attention without relative positions.
    """

    def __init__(self, channels: int, heads: int, head_channels: int, distance: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head_channels**-0.5
        self.qkv = nn.Linear(channels, 3 * heads * head_channels)
        self.projection = nn.Linear(heads * head_channels, channels)
        self.keys, self.values = (RelativePositions(head_channels, distance) if distance else None for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x c``."""
        images, tokens, _ = x.shape
        query, key, value = self.qkv(x).reshape(images, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        products = query @ key.transpose(-1, -2)
        if self.keys is not None:
            products = products + _paired(query, self.keys(tokens).transpose(-1, -2))
        attention = (products * self.scale).softmax(-1)
        attended = attention @ value
        if self.values is not None:
            attended = attended + _paired(attention, self.values(tokens))
        out: Tensor = self.projection(attended.transpose(1, 2).flatten(2))
        return out


def _paired(rows: Tensor, vectors: Tensor) -> Tensor:
    """Return the products of rows ``b x heads x n x i`` with the matrix ``i x j`` of each of the ``n`` tokens."""
    images, heads, tokens, _ = rows.shape
    products = rows.permute(2, 0, 1, 3).flatten(1, 2) @ vectors
    return products.reshape(tokens, images, heads, -1).permute(1, 2, 0, 3)
