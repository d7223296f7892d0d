"""Accel-NASBench: MobileNet-like networks of seven blocks for ImageNet.

An architecture lists the blocks in order, each with expansion, kernel and layers, and ``s`` where the layers weight
their channels (squeeze and excitation): ``e1k3l1s|e6k3l2|...``. The published form is read too: a JSON object with
``block0_e``, ``block0_k``, ``block0_l``, ``block0_se`` and the same of the other blocks.

References:
    [Accel] Ahmad, Zhang, Manzoor, Bilal, Ahmed. Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS.
        DAC 2024.
"""

from __future__ import annotations

import itertools
import math
import re
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown
from eznas.spaces.genotype import load
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from typing import Any

    from torch import nn


_FORM = re.compile(r"e(\d)k(\d)l(\d)(s?)")
_BLOCKS, _LONG = 7, 5  # the sixth block may have one layer more
_EXPANSIONS, _KERNELS, _LAYERS = (1, 4, 6), (3, 5), 3
_WIDE = 320
_NAMES = ("e", "k", "l", "se")

Choices = tuple[int, int, int, int]
"""Expansion, kernel and layers of a block, and 1 where its layers weight their channels."""


def _choices(place: int) -> list[Choices]:
    """Return the possible blocks of a place."""
    layers = range(1, _LAYERS + 1 + (place == _LONG))
    return list(itertools.product(_EXPANSIONS, _KERNELS, layers, (0, 1)))


def _text(blocks: Sequence[Choices]) -> str:
    return "|".join(f"e{expansion}k{kernel}l{layers}{'s' * squeezed}" for expansion, kernel, layers, squeezed in blocks)


class AccelNasBench(SearchSpace):
    """The space of Accel-NASBench; an edit is another block at one place.

    A fidelity's ``cells`` are the layers of the longest block, and its ``channels`` those of the last block; others
    shrink in proportion.
    """

    name = "accel_nasbench"
    paper = "Ahmad et al. Accel-NASBench: Sustainable Benchmarking for Accelerator-Aware NAS. DAC 2024"
    fidelities = by_name(
        Fidelity("full", cells=_LAYERS + 1, channels=_WIDE, pixels=224),
        Fidelity("small_images", cells=_LAYERS + 1, channels=_WIDE, pixels=64),
        Fidelity("reduced_wide", cells=2, channels=_WIDE, pixels=32, batch=8),
        Fidelity("reduced_deep", cells=_LAYERS + 1, channels=_WIDE // 4, pixels=32, batch=8),
    )
    reduced = ("reduced_wide", "reduced_deep")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return _text(self._read(text))

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return _text([rng.choice(_choices(place)) for place in range(_BLOCKS)])

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another block at one place, by place and block."""
        blocks = self._read(architecture)
        return [
            _text([*blocks[:place], other, *blocks[place + 1 :]])
            for place, block in enumerate(blocks)
            for other in _choices(place)
            if other != block
        ]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the choices of each block, numbered from 0, and the number of all layers."""
        blocks = self._read(architecture)
        return {"layers": float(sum(layers for _, _, layers, _ in blocks))} | {
            f"{name}_{place}": float(choice)
            for place, block in enumerate(blocks)
            for name, choice in zip(_NAMES, block, strict=True)
        }

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network, with the fidelity's layers and channels in proportion."""
        from eznas.networks.accel_nasbench import AccelNetwork, Block

        self.check_pixels(fidelity, 32)
        full = self.fidelities["full"]
        blocks = [
            Block(expansion, kernel, math.ceil(layers * fidelity.cells / full.cells), bool(squeezed))
            for expansion, kernel, layers, squeezed in self._read(architecture)
        ]
        return AccelNetwork(blocks, width=fidelity.channels / full.channels, classes=classes)

    def _read(self, text: str) -> list[Choices]:
        stripped = text.strip()
        blocks = self._published(stripped) if stripped.startswith("{") else self._listed(stripped)
        for place, block in enumerate(blocks):
            if block not in _choices(place):
                raise InputError(
                    f"a block of {self.name} must have expansion 1, 4 or 6, kernel 3 or 5, and 1 to {_LAYERS} layers "
                    f"({_LAYERS + 1} in block {_LONG}); block {place} has {', '.join(map(str, block[:3]))}"
                )
        return blocks

    def _listed(self, text: str) -> list[Choices]:
        matches = [_FORM.fullmatch(block) for block in text.split("|", _BLOCKS)]
        blocks = [(int(match[1]), int(match[2]), int(match[3]), len(match[4])) for match in matches if match]
        if len(blocks) != _BLOCKS or len(matches) != _BLOCKS:
            raise InputError(
                f"an architecture of {self.name} must list {_BLOCKS} blocks, such as 'e1k3l1s|e6k3l2|...', "
                f"got {shown(text)!r}"
            )
        return blocks

    def _published(self, text: str) -> list[Choices]:
        read = load(text, f"an architecture of {self.name}")
        blocks: list[Choices] = []
        for place in range(_BLOCKS):
            block: list[Any] = [read.get(f"block{place}_{name}") for name in _NAMES]
            if not all(type(choice) is int for choice in block[:3]):
                raise InputError(
                    f"block {place} of {self.name} must have whole numbers as e, k and l, got {shown(str(block[:3]))}"
                )
            if not isinstance(block[3], int) or block[3] not in (0, 1):
                raise InputError(
                    f"block {place} of {self.name} must have true or false as se, got {shown(str(block[3]))}"
                )
            blocks.append((block[0], block[1], block[2], int(block[3])))
        return blocks


SPACES.register(AccelNasBench())
