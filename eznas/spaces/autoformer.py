"""The spaces of AutoFormer, tiny, small and base: vision transformers for ImageNet.

An architecture lists the channels of a token, then heads and perceptron of each layer: ``192|3x3.5|4x4|...`` has a
first layer of three heads, whose perceptron has 3.5 times as many hidden channels as a token. The published form is
read too: a JSON object with ``embed_dim`` (or ``hidden_dim``), ``num_heads``, ``mlp_ratio`` and ``layer_num`` (or
``depth``).

The networks of ViT-Bench-101 are those of the tiny space without relative positions, and the heads of a layer share
the channels of a token.

References:
    [AutoFormer] Chen, Peng, Fu, Ling. AutoFormer: Searching Transformers for Visual Recognition. ICCV 2021.
    [Auto-Prox] Wei, Dong, Liu, Niu, Li, Lu. Auto-Prox: Training-Free Vision Transformer Architecture Search via
        Automatic Proxy Discovery. AAAI 2024.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown, substitutions
from eznas.spaces.genotype import load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn


Layer = tuple[int, float]
"""The number of heads, and the perceptron's hidden channels as a multiple of a token's channels."""

_LAYER = re.compile(r"(\d{1,3})x(\d{1,3}(?:\.\d{1,3})?)")


@dataclass(frozen=True)
class Encoder:
    """An architecture.

    Args:
        channels: Channels of a token.
        layers: The layers in order.
    """

    channels: int
    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        return "|".join([str(self.channels), *(f"{heads}x{ratio:g}" for heads, ratio in self.layers)])


class AutoFormer(SearchSpace):
    """A space of AutoFormer; an edit changes the channels, one layer, or the number of layers.

    A layer is added behind the last one, which is the one that is removed. A fidelity's ``cells`` are the layers of
    the deepest network, and its ``channels`` those of the widest; others shrink in proportion. A network that loses
    layers keeps those at equal distances.

    Args:
        name: The space's name.
        channels: The possible channels of a token.
        heads: The possible numbers of heads.
        ratios: The possible hidden channels of a perceptron, as multiples of a token's channels.
        depths: The possible numbers of layers.
        shared: Whether the heads of a layer share the channels of a token and have no relative positions, as in
            ViT-Bench-101.
    """

    paper = "Chen, Peng, Fu, Ling. AutoFormer: Searching Transformers for Visual Recognition. ICCV 2021"
    reduced = ("reduced_wide", "reduced_deep")
    name: str  # type: ignore[misc]  # an instance for each space
    fidelities: Mapping[str, Fidelity]  # type: ignore[misc]

    def __init__(
        self,
        name: str,
        channels: tuple[int, ...],
        heads: tuple[int, ...],
        ratios: tuple[float, ...],
        depths: tuple[int, ...],
        *,
        shared: bool = False,
    ) -> None:
        self.name = name
        self.channels = channels
        self.heads = heads
        self.ratios = ratios
        self.depths = depths
        self.shared = shared
        self.layers = [(count, ratio) for count in heads for ratio in ratios]
        deep, wide = depths[-1], channels[-1]
        self.fidelities = by_name(
            Fidelity("full", cells=deep, channels=wide, pixels=224),
            Fidelity("small_images", cells=deep, channels=wide, pixels=64),
            Fidelity("reduced_wide", cells=deep // 4, channels=wide, pixels=32, batch=8),
            Fidelity("reduced_deep", cells=deep, channels=wide // 4, pixels=32, batch=8),
        )

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return str(self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw channels, number of layers, and heads and ratio of each layer uniformly, as the authors do."""
        depth = rng.choice(self.depths)
        return str(Encoder(rng.choice(self.channels), tuple(rng.choice(self.layers) for _ in range(depth))))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures one edit away: by channels, layer, and number of layers."""
        encoder = self._read(architecture)
        edited = [replace(encoder, channels=other) for other in self.channels if other != encoder.channels]
        edited += [replace(encoder, layers=layers) for layers in substitutions(encoder.layers, self.layers)]
        if len(encoder.layers) + 1 in self.depths:
            edited += [replace(encoder, layers=(*encoder.layers, layer)) for layer in self.layers]
        if len(encoder.layers) - 1 in self.depths:
            edited.append(replace(encoder, layers=encoder.layers[:-1]))
        return [str(other) for other in edited]

    def features(self, architecture: str) -> dict[str, float]:
        """Return numbers of channels and layers, and sums of heads and ratios over all layers and the last half."""
        encoder = self._read(architecture)
        late = encoder.layers[len(encoder.layers) // 2 :]
        return {
            "channels": float(encoder.channels),
            "layers": float(len(encoder.layers)),
            "heads": float(sum(heads for heads, _ in encoder.layers)),
            "ratios": float(sum(ratio for _, ratio in encoder.layers)),
            "heads_late": float(sum(heads for heads, _ in late)),
            "ratios_late": float(sum(ratio for _, ratio in late)),
        }

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, with the fidelity's layers and channels in proportion."""
        from eznas.networks.autoformer import HEAD_CHANNELS, PATCH, AutoFormerNetwork

        self.check_pixels(fidelity, PATCH)
        encoder = self._read(architecture)
        width = fidelity.channels / self.channels[-1]
        channels = math.ceil(encoder.channels * width)
        depth = math.ceil(len(encoder.layers) * fidelity.cells / self.depths[-1])
        kept = [encoder.layers[place * len(encoder.layers) // depth] for place in range(depth)]
        return AutoFormerNetwork(
            [(heads, int(channels * ratio)) for heads, ratio in kept],
            channels=channels,
            head_channels=0 if self.shared else math.ceil(HEAD_CHANNELS * width),
            pixels=fidelity.pixels,
            classes=classes,
        )

    def _read(self, text: str) -> Encoder:
        stripped = text.strip()
        encoder = self._published(stripped) if stripped.startswith("{") else self._listed(stripped)
        if encoder.channels not in self.channels:
            raise InputError(f"a token of {self.name} must have {_any(self.channels)} channels, got {encoder.channels}")
        if len(encoder.layers) not in self.depths:
            raise InputError(f"{self.name} must have {_any(self.depths)} layers, got {len(encoder.layers)}")
        for layer in encoder.layers:
            if layer not in self.layers:
                raise InputError(
                    f"a layer of {self.name} must have {_any(self.heads)} heads and a ratio of {_any(self.ratios)}, "
                    f"got {layer[0]} and {layer[1]:g}"
                )
        return encoder

    def _listed(self, text: str) -> Encoder:
        first, *rest = text.split("|")
        layers = [_LAYER.fullmatch(layer) for layer in rest[: self.depths[-1] + 1]]
        if re.fullmatch(r"\d{1,4}", first) is None or not all(layers):
            raise InputError(
                f"an architecture of {self.name} must list channels and layers, such as "
                f"'{self.channels[0]}|{self.heads[0]}x{self.ratios[0]:g}|...', got {shown(text)!r}"
            )
        return Encoder(int(first), tuple((int(layer[1]), float(layer[2])) for layer in layers if layer))

    def _published(self, text: str) -> Encoder:
        read = load(text, f"an architecture of {self.name}")
        heads, ratios = (self._column(read, name) for name in ("num_heads", "mlp_ratio"))
        channels = read.get("embed_dim", read.get("hidden_dim"))
        every = channels if isinstance(channels, list) else [channels] * len(heads)
        depth = read.get("layer_num", read.get("depth", len(heads)))
        if len(heads) != len(ratios) or len(every) != len(heads) or depth != len(heads):
            raise InputError(f"lists of {self.name} must have a number for each layer, got {shown(text)}")
        if not every or every.count(every[0]) != len(every) or type(every[0]) is not int:
            raise InputError(f"the layers of {self.name} must have equal channels, got {shown(json.dumps(channels))}")
        return Encoder(every[0], tuple((int(count), float(ratio)) for count, ratio in zip(heads, ratios, strict=True)))

    def _column(self, read: Mapping[str, Any], name: str) -> list[float]:
        listed = read.get(name)
        if not isinstance(listed, list) or not all(type(value) in (int, float) for value in listed):
            raise InputError(f"{name} of {self.name} must be a list of numbers, got {shown(json.dumps(listed))}")
        return listed


def _any(choices: Sequence[float]) -> str:
    return " or ".join(f"{choice:g}" for choice in choices)


_TINY = ((192, 216, 240), (3, 4), (3.5, 4.0), (12, 13, 14))
SPACES.register(AutoFormer("autoformer_tiny", *_TINY))
SPACES.register(AutoFormer("vitbench101_autoformer", *_TINY, shared=True))
SPACES.register(AutoFormer("autoformer_small", (320, 384, 448), (5, 6, 7), (3.0, 3.5, 4.0), (12, 13, 14)))
SPACES.register(AutoFormer("autoformer_base", (528, 576, 624), (9, 10), (3.0, 3.5, 4.0), (14, 15, 16)))
