"""Operations of AutoFormer's networks, as its authors count them.

References:
    [AutoFormer] Chen, Peng, Fu, Ling. AutoFormer: Searching Transformers for Visual Recognition. ICCV 2021.
"""

from __future__ import annotations

from torch import nn

from eznas.networks.autoformer import AutoFormerNetwork
from eznas.networks.encoder import EncoderLayer


def autoformer_operations(network: nn.Module) -> float:
    """Return the operations of a forward pass of one image, as ``get_complexity`` of [AutoFormer] counts them.

    With ``n`` tokens, the class token among them, and ``c`` channels of a token, the count is the sum of

    - for each layer with ``q`` channels of all heads, and with ``m = n + 1`` in place of the tokens: ``m`` times the
      products of its linear layers, ``2 m c`` for its normalisations, ``2 m^2 q`` for the products of attention, and
      ``28.5 m^2 + m q / 2`` for the relative positions;
    - the products and biases of the patches, ``n c / 2`` for the positions, and ``n`` times the products of the
      classifier.

    The biases of linear layers and the last normalisation do not count.

    Raises:
        TypeError: The network is none of AutoFormer.
    """
    if not isinstance(network, AutoFormerNetwork):
        raise TypeError(f"network must be an AutoFormerNetwork, got {type(network).__name__}")
    _, tokens, channels = network.positions.shape
    patches = (tokens - 1) * network.patches.weight.numel() + channels
    ends = tokens * network.classifier.weight.numel() + tokens * channels / 2
    layers = [_layer(layer, tokens + 1, channels) for layer in network.layers if isinstance(layer, EncoderLayer)]
    return patches + ends + sum(layers)


def _layer(layer: EncoderLayer, tokens: int, channels: int) -> float:
    products = sum(module.weight.numel() for module in layer.modules() if isinstance(module, nn.Linear))
    heads = layer.attention.projection.in_features
    attention = 2 * tokens**2 * heads + 28.5 * tokens**2 + tokens * heads / 2
    return tokens * (products + 2 * channels) + attention
