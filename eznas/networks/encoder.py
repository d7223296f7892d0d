"""The layers of vision transformers: attention and a perceptron, each behind a normalisation and with a residual.

References:
    [ViT] Dosovitskiy et al. An Image is Worth 16x16 Words. ICLR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from eznas.networks.attention import SelfAttention


class Perceptron(nn.Sequential):
    """Two linear layers and GELU, ``b x n x c`` to ``b x n x c``."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))


class EncoderLayer(nn.Module):
    """A layer of [ViT], ``b x n x c`` to ``b x n x c``.

    Args:
        attention: Attention among tokens of ``channels``.
        channels: Channels ``c``.
        hidden: Channels between the two layers of the perceptron.
        epsilon: Added to the variance by the normalisations.
    """

    def __init__(self, attention: SelfAttention, channels: int, hidden: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels, eps=epsilon)
        self.attention = attention
        self.perceptron_norm = nn.LayerNorm(channels, eps=epsilon)
        self.perceptron = Perceptron(channels, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x c``."""
        x = x + self.attention(self.attention_norm(x))
        out: Tensor = x + self.perceptron(self.perceptron_norm(x))
        return out


def drawn_embedding(*shape: int) -> nn.Parameter:
    """Return a parameter with values of a truncated normal distribution of standard deviation 0.02, as in [ViT]."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))
