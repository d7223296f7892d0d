"""Operations that mix tokens, ``b x n x c`` to ``b x n x c``: attention, Fourier and cosine transforms, convolution.

References:
    [FlexiBERT] Tuli, Dedhia, Tuli, Jha. FlexiBERT: Are Current Transformer Architectures Too Homogeneous and Rigid?
        JAIR 2023.
    [FNet] Lee-Thorp, Ainslie, Eckstein, Ontanon. FNet: Mixing Tokens with Fourier Transforms. NAACL 2022.
    [ConvBERT] Jiang et al. ConvBERT: Improving BERT with Span-Based Dynamic Convolution. NeurIPS 2020.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def by_head(x: Tensor, heads: int) -> Tensor:
    """Return ``b x n x c`` as ``b x heads x n x d``."""
    images, tokens, channels = x.shape
    return x.reshape(images, tokens, heads, channels // heads).transpose(1, 2)


class DotProductAttention(nn.Module):
    """The heads of attention side by side, ``softmax(q k' / sqrt(d)) v``, without a projection behind them.

    Args:
        channels: Channels of the input.
        inner: Channels of the output, all heads together.
        heads: Number of heads.
        weighted: Whether another linear layer follows the queries: weighted multiplicative attention.
    """

    def __init__(self, channels: int, inner: int, heads: int, *, weighted: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(channels, inner) for _ in range(3))
        self.weight = nn.Linear(inner, inner, bias=False) if weighted else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x inner``."""
        return self.attended(x, self.weight(self.query(x)))

    def attended(self, x: Tensor, query: Tensor) -> Tensor:
        """Return ``b x n x inner``, given the queries ``b x n x inner``."""
        queries, keys, values = (by_head(part, self.heads) for part in (query, self.key(x), self.value(x)))
        products = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        return (products.softmax(-1) @ values).transpose(1, 2).flatten(2)


class LinearTransform(nn.Module):
    """A linear layer, then a transform of each head over tokens and channels; [FNet].

    Args:
        channels: Channels of input and output.
        heads: Number of heads.
        cosine: Whether the transform is the discrete cosine transform (type II) on both axes, and not the real part of
            the discrete Fourier transform.
    """

    def __init__(self, channels: int, heads: int, *, cosine: bool) -> None:
        super().__init__()
        self.heads = heads
        self.cosine = cosine
        self.input = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x c``."""
        maps = by_head(self.input(x), self.heads)
        if self.cosine:
            mixed = cosines(maps.shape[-2], maps) @ maps @ cosines(maps.shape[-1], maps).T
        else:
            mixed = torch.fft.fft2(maps).real
        return mixed.transpose(1, 2).flatten(2)


def cosines(size: int, like: Tensor) -> Tensor:
    """Return the matrix ``2 cos(pi k (2 m + 1) / (2 size))`` of the discrete cosine transform of type II."""
    places = torch.arange(size, dtype=like.dtype, device=like.device)
    return 2 * torch.cos(math.pi / (2 * size) * places[:, None] * (2 * places[None, :] + 1))


class DynamicConvolution(nn.Module):
    """Attention of half of the heads, beside convolutions of the other half with kernels from the tokens; [ConvBERT].

    The kernel of a token and head is the softmax of a linear layer of the queries times a separable convolution.

    Args:
        channels: Channels of input and output.
        heads: Number of heads of the whole operation, even.
        kernel: Tokens that a kernel covers, odd.
    """

    def __init__(self, channels: int, heads: int, kernel: int) -> None:
        super().__init__()
        inner = channels // 2
        self.kernel = kernel
        self.heads = heads // 2
        self.attention = DotProductAttention(channels, inner, self.heads)
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.pointwise = nn.Conv1d(channels, inner, 1)
        self.kernels = nn.Linear(inner, self.heads * kernel)
        self.values = nn.Linear(channels, inner)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x c``: the heads of attention, then those of the convolution."""
        query = self.attention.query(x)
        spans = self.pointwise(self.depthwise(x.transpose(1, 2))).transpose(1, 2)
        kernels = by_head(self.kernels(spans * query), self.heads).transpose(1, 2).softmax(-1)
        values = nn.functional.pad(self.values(x), (0, 0, self.kernel // 2, self.kernel // 2))
        windows = values.unfold(1, self.kernel, 1)  # b x n x inner x kernel
        windows = windows.reshape(*kernels.shape[:3], -1, self.kernel)
        convolved = (windows @ kernels.unsqueeze(-1)).flatten(2)
        return torch.cat([self.attention.attended(x, query), convolved], dim=-1)
