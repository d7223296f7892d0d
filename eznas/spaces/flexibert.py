"""The FlexiBERT space of NAS-Bench-BERT: encoders of text of two or four layers.

An architecture lists the channels of a token, then the layers, each with operation, parameter, heads, and channels and
number of its feed-forward layers: ``256|SA-WMA-4-1024x3|LT-DCT-2-512x1``. ``SA`` is attention, scaled (``SDP``) or
weighted multiplicative (``WMA``); ``LT`` a Fourier or cosine transform (``DFT``, ``DCT``); ``DSC`` a dynamic
convolution with a kernel of 5 or 9. The published form is read too: a JSON object with ``hidden_size`` and
``nas_config``, or ``hidden`` and ``layers``.

The networks read tokens, ``b x n`` integers below 30,522, instead of images; ``pixels`` of a fidelity is their number
``n``. They follow the specification. Two published implementations differ from it: the released scorer builds 256
channels and feed-forward layers of 1,024 for every architecture, and omits the projection behind linear transforms; the
released training code gives the first feed-forward layer the width of its own configuration.

References:
    [Serianni] Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023.
"""

from __future__ import annotations

import itertools
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

    from torch import nn


_FORM = re.compile(r"([A-Z]{1,9})-([A-Z0-9]{1,9})-(\d{1,4})-(\d{1,5})x(\d{1,4})")
_CHANNELS, _DEPTHS, _HEADS, _HIDDEN, _STACKS = (128, 256), (2, 4), (2, 4), (512, 1024), (1, 3)
_OPERATIONS = {"SA": ("SDP", "WMA"), "LT": ("DFT", "DCT"), "DSC": ("5", "9")}
_NAMES = (
    "operation_type", "operation_parameter", "num_operation_heads", "feed_forward_dimension", "num_feed_forward"
)  # fmt: skip

Layer = tuple[str, str, int, int, int]
"""Operation, parameter, heads, and channels and number of feed-forward layers."""

LAYERS: tuple[Layer, ...] = tuple(
    (operation, *choices)
    for operation, parameters in _OPERATIONS.items()
    for choices in itertools.product(parameters, _HEADS, _HIDDEN, _STACKS)
)
"""All 48 layers."""


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
        layers = (
            f"{operation}-{parameter}-{heads}-{hidden}x{stack}"
            for operation, parameter, heads, hidden, stack in self.layers
        )
        return "|".join([str(self.channels), *layers])


class FlexiBert(SearchSpace):
    """The FlexiBERT space; an edit changes the channels, one layer, or the number of layers.

    Two layers become four when both are repeated, and four become two where the last two repeat the first two. A
    fidelity's ``channels`` are those of the widest network; others, and the feed-forward layers, shrink in proportion.
    """

    name = "flexibert"
    paper = "Serianni, Kalita. Training-free Neural Architecture Search for RNNs and Transformers. ACL 2023"
    fidelities = by_name(
        Fidelity("full", cells=4, channels=256, pixels=128),
        Fidelity("short_texts", cells=4, channels=256, pixels=32),
        Fidelity("reduced_wide", cells=2, channels=256, pixels=16, batch=8),
        Fidelity("reduced_deep", cells=4, channels=64, pixels=16, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")
    vocabulary = 30_522

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return str(self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw channels, number of layers, and operation, parameter and sizes of each layer uniformly."""
        depth = rng.choice(_DEPTHS)
        return str(Encoder(rng.choice(_CHANNELS), tuple(rng.choice(LAYERS) for _ in range(depth))))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures one edit away: by channels, layer, and number of layers."""
        encoder = self._read(architecture)
        edited = [replace(encoder, channels=other) for other in _CHANNELS if other != encoder.channels]
        edited += [replace(encoder, layers=layers) for layers in substitutions(encoder.layers, LAYERS)]
        short, long = _DEPTHS
        if len(encoder.layers) == short:
            edited.append(replace(encoder, layers=encoder.layers * 2))
        elif len(encoder.layers) == long and encoder.layers[:short] == encoder.layers[short:]:
            edited.append(replace(encoder, layers=encoder.layers[:short]))
        return [str(other) for other in edited]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the channels, the number of layers and of each operation, and sums of sizes over the layers."""
        encoder = self._read(architecture)
        features = {"channels": float(encoder.channels), "layers": float(len(encoder.layers))}
        for operation, parameters in _OPERATIONS.items():
            for parameter in parameters:
                counted = sum(layer[:2] == (operation, parameter) for layer in encoder.layers)
                features[f"{operation}_{parameter}".lower()] = float(counted)
        features["heads"] = float(sum(heads for _, _, heads, _, _ in encoder.layers))
        features["hidden"] = float(sum(hidden for _, _, _, hidden, _ in encoder.layers))
        features["feed_forward"] = float(sum(stack for _, _, _, _, stack in encoder.layers))
        return features

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, mapping ``b x n`` tokens to ``b x classes`` logits, with the channels in proportion.

        A network that loses layers keeps those at equal distances.
        """
        from eznas.networks.flexibert import POSITIONS, FlexiBertNetwork
        from eznas.networks.flexibert import Layer as Built

        if fidelity.pixels > POSITIONS:
            raise InputError(f"{self.name} must have at most {POSITIONS} tokens, got {fidelity.pixels}")
        encoder, full = self._read(architecture), self.fidelities["full"]
        width = fidelity.channels / full.channels
        depth = math.ceil(len(encoder.layers) * fidelity.cells / full.cells)
        kept = [encoder.layers[place * len(encoder.layers) // depth] for place in range(depth)]
        layers = [
            Built(operation, parameter, heads, math.ceil(hidden * width), stack)
            for operation, parameter, heads, hidden, stack in kept
        ]
        return FlexiBertNetwork(layers, channels=math.ceil(encoder.channels * width), classes=classes)

    def _read(self, text: str) -> Encoder:
        stripped = text.strip()
        encoder = self._published(stripped) if stripped.startswith("{") else self._listed(stripped)
        if encoder.channels not in _CHANNELS or len(encoder.layers) not in _DEPTHS:
            raise InputError(
                f"{self.name} must have 128 or 256 channels and 2 or 4 layers, got {encoder.channels} and "
                f"{len(encoder.layers)}"
            )
        for layer in encoder.layers:
            if layer not in LAYERS:
                raise InputError(
                    f"a layer of {self.name} must have an operation (SA-SDP, SA-WMA, LT-DFT, LT-DCT, DSC-5, DSC-9), "
                    f"2 or 4 heads, and 1 or 3 feed-forward layers of 512 or 1024 channels, got {shown(str(layer))}"
                )
        return encoder

    def _listed(self, text: str) -> Encoder:
        first, *rest = text.split("|")
        matches = [_FORM.fullmatch(layer) for layer in rest[: _DEPTHS[-1] + 1]]
        if re.fullmatch(r"\d{1,4}", first) is None or not all(matches):
            raise InputError(
                f"an architecture of {self.name} must list channels and layers, such as '256|SA-WMA-4-1024x3|...', got "
                f"{shown(text)!r}"
            )
        layers = [(match[1], match[2], int(match[3]), int(match[4]), int(match[5])) for match in matches if match]
        return Encoder(int(first), tuple(layers))

    def _published(self, text: str) -> Encoder:
        read = load(text, f"an architecture of {self.name}")
        config = read.get("nas_config")
        listed = config.get("encoder_layers") if isinstance(config, dict) else read.get("layers")
        channels = read.get("hidden_size", read.get("hidden"))
        if not isinstance(listed, list) or type(channels) is not int:
            raise InputError(
                f"an architecture of {self.name} must have a whole number as hidden_size and encoder_layers in "
                f"nas_config, got {shown(text)}"
            )
        return Encoder(channels, tuple(self._layer(layer) for layer in listed))

    def _layer(self, layer: Any) -> Layer:
        choices: list[Any] = [layer.get(name) for name in _NAMES] if isinstance(layer, dict) else []
        if not choices or not all(type(number) is int for number in choices[2:]):
            raise InputError(f"a layer of {self.name} must have {', '.join(_NAMES)}, got {shown(str(layer))}")
        operation, parameter, heads, hidden, stack = choices
        return (str(operation), str(parameter), heads, hidden, stack)


SPACES.register(FlexiBert())
