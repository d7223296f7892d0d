"""Networks of the zoo that are written by hand: layers and forms that the packages' networks do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

_CHANNELS, _VOCABULARY = 16, 50


class _Recurrent(nn.Module):
    """Tokens through a recurrent layer whose last output is classified."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU], classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_VOCABULARY, _CHANNELS)
        self.recurrent = kind(_CHANNELS, _CHANNELS, batch_first=True)
        self.head = nn.Linear(_CHANNELS, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states, _ = self.recurrent(self.embedding(input_ids) * attention_mask[..., None])
        logits: Tensor = self.head(states[:, -1])
        return logits


class _Encoder(nn.Module):
    """torch's encoder with the tokens on the first axis, its default."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_VOCABULARY, _CHANNELS)
        layer = nn.TransformerEncoderLayer(_CHANNELS, 2, 2 * _CHANNELS, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(_CHANNELS, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self.embedding(input_ids).transpose(0, 1)
        encoded = self.encoder(tokens, src_key_padding_mask=attention_mask == 0)
        logits: Tensor = self.head(encoded.mean(0))
        return logits


class _UNet(nn.Module):
    """An encoder and a decoder with a transposed convolution and a skip connection."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.last = nn.Conv2d(16, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        shallow = self.down(images)
        maps = self.last(torch.cat([shallow, functional.relu(self.up(self.deep(shallow)))], 1))
        logits: Tensor = maps.mean((2, 3))
        return logits


class _Masked(nn.Conv2d):
    """A convolution with a mask over its weight."""

    def forward(self, images: Tensor) -> Tensor:
        mask = torch.ones_like(self.weight)
        mask[:, ::2] = 0
        return functional.conv2d(images, self.weight * mask, self.bias, self.stride, self.padding)


class _LowRank(nn.Module):
    """A linear layer plus a product of two narrow ones, as LoRA adds."""

    def __init__(self, channels: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(channels, channels)
        self.left = nn.Parameter(torch.randn(rank, channels) / channels**0.5)
        self.right = nn.Parameter(torch.randn(channels, rank) / rank**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.base.weight + self.right @ self.left, self.base.bias)


class _Checkpointed(nn.Module):
    """Blocks whose activations torch computes again in the backward pass."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(2)
        )
        self.head = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        for block in self.blocks:
            maps = maps + checkpoint(block, maps, use_reentrant=True)
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


def _perceptron(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 16 * 16, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, classes)
    )


def _plain(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, classes)
    )


def _masked(classes: int) -> nn.Module:
    return nn.Sequential(
        _Masked(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), _Masked(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes),
    )  # fmt: skip


def _normalised(classes: int) -> nn.Module:
    weight_norm = nn.utils.parametrizations.weight_norm
    return nn.Sequential(
        weight_norm(nn.Conv2d(3, 8, 3, 2, 1)), nn.GELU(), weight_norm(nn.Conv2d(8, 16, 3, 2, 1)), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes),
    )  # fmt: skip


def _low_rank(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(768, _CHANNELS), nn.ReLU(), _LowRank(_CHANNELS, 2), nn.ReLU(),
        nn.Linear(_CHANNELS, classes),
    )  # fmt: skip


def _volumes(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 8, 3, (1, 2, 2), 1), nn.BatchNorm3d(8), nn.ReLU(),
        nn.Conv3d(8, 8, 3, (1, 2, 2), 1), nn.BatchNorm3d(8), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(8, classes),
    )  # fmt: skip


def _signals(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(2), nn.Conv1d(3, 8, 5, 2), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 16, 5, 2), nn.BatchNorm1d(16),
        nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, classes),
    )  # fmt: skip


OF_IMAGES: dict[str, Callable[[int], nn.Module]] = {
    "perceptron": _perceptron,
    "without_normalisation": _plain,
    "masked_weights": _masked,
    "weight_norm": _normalised,
    "low_rank": _low_rank,
    "convolution_1d": _signals,
    "convolution_3d": _volumes,
    "u_net": _UNet,
    "checkpointed": _Checkpointed,
}
"""Networks for images of 16 x 16 pixels, by name; each takes the number of classes."""

OF_TOKENS: dict[str, Callable[[int], nn.Module]] = {
    "lstm": lambda classes: _Recurrent(nn.LSTM, classes),
    "gru": lambda classes: _Recurrent(nn.GRU, classes),
    "tokens_first": _Encoder,
}
"""Networks for tokens with an attention mask, by name; each takes the number of classes."""
