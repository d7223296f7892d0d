"""The PiT space of ViT-Bench-101: pooling vision transformers of three stages.

An architecture reads ``16x6|2x2|8x4|4x4``: 16 channels of a head, perceptrons with 6 times as many hidden channels as a
token, and for each stage the layers and heads. The published form is read too: a JSON object with ``base_dim``,
``mlp_ratio``, ``depth`` and ``num_heads``.

References:
    [Auto-Prox] Wei, Dong, Liu, Niu, Li, Lu. Auto-Prox: Training-Free Vision Transformer Architecture Search via
        Automatic Proxy Discovery. AAAI 2024.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown
from eznas.spaces.genotype import load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random

    from torch import nn


_FORM = re.compile(r"(\d{1,3})x(\d{1,3})" + 3 * r"\|(\d{1,3})x(\d{1,3})")
_STAGES = 3
_BASES, _RATIOS = (16, 24, 32, 40), (2, 4, 6, 8)
_DEPTHS = (
    *((1, 6, 6), (1, 8, 4), (2, 4, 6), (2, 6, 4), (2, 6, 6)),
    *((2, 8, 2), (2, 8, 4), (3, 4, 6), (3, 6, 4), (3, 8, 2)),
)
_HEADS = tuple(itertools.combinations_with_replacement((2, 4, 8), _STAGES))


@dataclass(frozen=True)
class Pit:
    """An architecture.

    Args:
        base: Channels of a head.
        ratio: Hidden channels of a perceptron, as a multiple of a token's channels.
        depths: Layers of each stage.
        heads: Heads of each stage.
    """

    base: int
    ratio: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]

    def __str__(self) -> str:
        stages = zip(self.depths, self.heads, strict=True)
        return "|".join([f"{self.base}x{self.ratio}", *(f"{depth}x{heads}" for depth, heads in stages)])


class PitSpace(SearchSpace):
    """The PiT space; an edit is another base, another ratio, other depths or other heads.

    A fidelity's ``cells`` are the layers of the longest stage, and its ``channels`` those of the widest head; others
    shrink in proportion.
    """

    name = "vitbench101_pit"
    paper = "Wei et al. Auto-Prox: Training-Free Vision Transformer Architecture Search. AAAI 2024. arXiv:2312.09059"
    fidelities = by_name(
        Fidelity("full", cells=8, channels=40, pixels=224),
        Fidelity("small_images", cells=8, channels=40, pixels=64),
        Fidelity("reduced_wide", cells=4, channels=40, pixels=48, batch=4),
        Fidelity("reduced_deep", cells=8, channels=10, pixels=48, batch=4),
    )
    reduced = ("reduced_wide", "reduced_deep")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return str(self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return str(Pit(rng.choice(_BASES), rng.choice(_RATIOS), rng.choice(_DEPTHS), rng.choice(_HEADS)))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another base, ratio, depths or heads, in that order."""
        pit = self._read(architecture)
        others = [replace(pit, base=base) for base in _BASES]
        others += [replace(pit, ratio=ratio) for ratio in _RATIOS]
        others += [replace(pit, depths=depths) for depths in _DEPTHS]
        others += [replace(pit, heads=heads) for heads in _HEADS]
        return [str(other) for other in others if other != pit]

    def architectures(self) -> list[str]:
        """Return all 1,600 architectures, by base, ratio, depths and heads."""
        return [str(Pit(*choices)) for choices in itertools.product(_BASES, _RATIOS, _DEPTHS, _HEADS)]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the choices of an architecture, by stage where there are several."""
        pit = self._read(architecture)
        features = {"head_channels": float(pit.base), "ratio": float(pit.ratio), "layers": float(sum(pit.depths))}
        for name, choices in (("layers", pit.depths), ("heads", pit.heads)):
            features |= {f"{name}_{stage}": float(choice) for stage, choice in enumerate(choices, start=1)}
        return features

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, with the fidelity's layers and channels in proportion."""
        from eznas.networks.pit import STRIDE, PitNetwork

        self.check_pixels(fidelity, STRIDE)
        pit, full = self._read(architecture), self.fidelities["full"]
        depths = [math.ceil(depth * fidelity.cells / full.cells) for depth in pit.depths]
        return PitNetwork(
            list(zip(depths, pit.heads, strict=True)),
            head_channels=math.ceil(pit.base * fidelity.channels / full.channels),
            ratio=pit.ratio,
            pixels=fidelity.pixels,
            classes=classes,
        )

    def _read(self, text: str) -> Pit:
        stripped = text.strip()
        pit = self._published(stripped) if stripped.startswith("{") else self._listed(stripped)
        if pit.base not in _BASES or pit.ratio not in _RATIOS:
            raise InputError(
                f"{self.name} must have {_any(_BASES)} channels of a head and a ratio of {_any(_RATIOS)}, "
                f"got {pit.base} and {pit.ratio}"
            )
        for what, choice, choices in (("layers", pit.depths, _DEPTHS), ("heads", pit.heads, _HEADS)):
            if choice not in choices:
                raise InputError(f"the stages of {self.name} must have {_any(choices)} {what}, got {choice}")
        return pit

    def _listed(self, text: str) -> Pit:
        match = _FORM.fullmatch(text)
        if match is None:
            raise InputError(f"an architecture of {self.name} must be such as '16x6|2x2|8x4|4x4', got {shown(text)!r}")
        base, ratio, *stages = map(int, match.groups())
        return Pit(base, ratio, tuple(stages[::2]), tuple(stages[1::2]))

    def _published(self, text: str) -> Pit:
        read = load(text, f"an architecture of {self.name}")
        lists: list[Any] = [read.get(name) for name in ("depth", "num_heads")]
        if not all(isinstance(listed, list) and len(listed) == _STAGES for listed in lists):
            raise InputError(f"depth and num_heads of {self.name} must have {_STAGES} numbers each, got {shown(text)}")
        base: Any = read.get("base_dim")
        ratio: Any = read.get("mlp_ratio")
        if not all(type(number) is int for number in (base, ratio, *itertools.chain(*lists))):
            raise InputError(f"the choices of {self.name} must be whole numbers, got {shown(json.dumps(read))}")
        return Pit(base, ratio, tuple(lists[0]), tuple(lists[1]))


def _any(choices: tuple[object, ...]) -> str:
    return " or ".join(map(str, choices))


SPACES.register(PitSpace())
