"""The networks of the FlexiBERT space: encoders of text whose layers mix tokens in different ways.

References:
    [Serianni] Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023.
    [FlexiBERT] Tuli, Dedhia, Tuli, Jha. FlexiBERT: Are Current Transformer Architectures Too Homogeneous and Rigid?
        JAIR 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from eznas.networks.token_mixing import DotProductAttention, DynamicConvolution, LinearTransform

if TYPE_CHECKING:
    from collections.abc import Sequence


VOCABULARY, POSITIONS = 30_522, 512
_EMBEDDING, _TYPES, _EPSILON = 128, 2, 1e-12


class Layer(NamedTuple):
    """The choices of a layer.

    Args:
        operation: ``SA`` attention, ``LT`` a linear transform, ``DSC`` a dynamic convolution.
        parameter: ``SDP`` scaled or ``WMA`` weighted attention; ``DFT`` or ``DCT``; the kernel 5 or 9.
        heads: Number of heads.
        hidden: Channels of the feed-forward layers.
        stack: Number of feed-forward layers with an activation.
    """

    operation: str
    parameter: str | int
    heads: int
    hidden: int
    stack: int


def mixing(layer: Layer, channels: int) -> nn.Module:
    """Return the operation of a layer."""
    match layer.operation:
        case "SA":
            return DotProductAttention(channels, channels, layer.heads, weighted=layer.parameter == "WMA")
        case "LT":
            return LinearTransform(channels, layer.heads, cosine=layer.parameter == "DCT")
        case _:
            return DynamicConvolution(channels, layer.heads, int(layer.parameter))


class FlexiBertLayer(nn.Module):
    """Mixing and a feed-forward stack, each with a residual and a normalisation behind, ``b x n x c`` to the same."""

    def __init__(self, layer: Layer, channels: int) -> None:
        super().__init__()
        self.mixing = mixing(layer, channels)
        self.projection = nn.Linear(channels, channels)
        self.mixing_norm = nn.LayerNorm(channels, eps=_EPSILON)
        stack: list[nn.Module] = []
        for place in range(layer.stack):
            stack += [nn.Linear(layer.hidden if place else channels, layer.hidden), nn.GELU()]
        self.feed_forward = nn.Sequential(*stack, nn.Linear(layer.hidden, channels))
        self.feed_forward_norm = nn.LayerNorm(channels, eps=_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``b x n x c``."""
        x = self.mixing_norm(x + self.projection(self.mixing(x)))
        out: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return out


class FlexiBertNetwork(nn.Module):
    """The network of [Serianni]: ``b x n`` tokens, as integers below 30,522, to ``b x classes`` logits.

    All tokens are of the first type, and none is masked. The classifier reads the first token.

    Args:
        layers: The layers in order.
        channels: Channels of a token in the layers; embeddings have 128.
        classes: Number of classes.
    """

    def __init__(self, layers: Sequence[Layer], *, channels: int, classes: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, _EMBEDDING, padding_idx=0)
        self.positions = nn.Embedding(POSITIONS, _EMBEDDING)
        self.types = nn.Embedding(_TYPES, _EMBEDDING)
        self.norm = nn.LayerNorm(_EMBEDDING, eps=_EPSILON)
        self.widen = nn.Identity() if channels == _EMBEDDING else nn.Linear(_EMBEDDING, channels)
        self.layers = nn.Sequential(*(FlexiBertLayer(layer, channels) for layer in layers))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``b x classes`` logits."""
        embedded = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]] + self.types.weight[0]
        logits: Tensor = self.classifier(self.layers(self.widen(self.norm(embedded)))[:, 0])
        return logits
