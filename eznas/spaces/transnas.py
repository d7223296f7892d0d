"""TransNAS-Bench-101: 4,096 cells (micro) and 3,256 macro-structures, by the benchmark's strings.

A cell reads ``64-41414-3_02_110``: node by node, for each earlier node 0 (nothing), 1 (identity), 2 (a 1x1 unit) or 3
(a 3x3 unit). A macro-structure reads ``64-14233-basic``: for each layer 1 (plain), 2 (channels doubled), 3 (map
halved) or 4 (both).
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, on_paths, shown, substitutions
from eznas.spaces.graf import CellGraph, cell_features
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from torch import nn


_MICRO = re.compile(r"64-41414-([0-3])_([0-3]{2})_([0-3]{3})")
_MACRO = re.compile(r"64-([1-4]{4,6})-basic")
_PAPER = "Duan et al. TransNAS-Bench-101. CVPR 2021. arXiv:2105.11871"
_CHANNELS = 64
_LAYERS = "41414"
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_GROUPS = {"1": "skip", "2": "conv_1x1", "3": "conv_3x3"}


_FIDELITIES = by_name(
    Fidelity("full", cells=2, channels=_CHANNELS, pixels=256),
    Fidelity("reduced_wide", cells=2, channels=_CHANNELS, pixels=32, batch=8),
    Fidelity("reduced_narrow", cells=2, channels=16, pixels=64, batch=8),
)


def _build(layers: str, cell: str, fidelity: Fidelity, classes: int) -> nn.Module:
    from eznas.networks.transnas import LayerNetwork

    if fidelity.pixels % 4 or fidelity.channels % 4:
        raise InputError(
            f"the pixels and channels of TransNAS networks must be multiples of 4, got {fidelity.pixels} and "
            f"{fidelity.channels}"
        )
    return LayerNetwork([int(layer) for layer in layers], cell, channels=fidelity.channels, classes=classes)


class TransNasMicro(SearchSpace):
    """The cells of TransNAS-Bench-101; an edit is another operation on one edge."""

    name = "transnas_micro"
    paper = _PAPER
    fidelities = _FIDELITIES
    reduced = ("reduced_wide", "reduced_narrow")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return _micro(_digits(text))

    def canonical(self, architecture: str) -> str:
        """Return the cell with nothing on every edge that lies on no path from its input to its output.

        Other cells that compute the same function, such as renumbered ones, keep different forms.
        """
        digits = _digits(architecture)
        reached = on_paths(_EDGES, [digit != "0" for digit in digits])
        return _micro("".join(digit if kept else "0" for digit, kept in zip(digits, reached, strict=True)))

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return _micro("".join(rng.choices("0123", k=6)))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the 18 architectures with another operation on one edge, by edge and operation."""
        return [_micro("".join(digits)) for digits in substitutions(_digits(architecture), "0123")]

    def architectures(self) -> Sequence[str]:
        """Return all 4,096 architectures in the order of their strings."""
        return [_micro("".join(digits)) for digits in itertools.product("0123", repeat=6)]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the features of the cell; see ``eznas.spaces.graf``."""
        digits = _digits(architecture)
        edges = [(*edge, _GROUPS[digit]) for edge, digit in zip(_EDGES, digits, strict=True) if digit in _GROUPS]
        return cell_features(CellGraph.of_edges(edges, [0], [3]), [*_GROUPS.values()], longest=3)

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network for classification, with the fidelity's channels."""
        return _build(_LAYERS, _digits(architecture), fidelity, classes)


def _digits(text: str) -> str:
    match = _MICRO.fullmatch(text.strip())
    if match is None:
        raise InputError(f"an architecture of transnas_micro must read like 64-41414-3_02_110, got {shown(text)!r}")
    return "".join(match.groups())


def _micro(digits: str) -> str:
    return f"64-{_LAYERS}-{digits[0]}_{digits[1:3]}_{digits[3:]}"


class TransNasMacro(SearchSpace):
    """The macro-structures of TransNAS-Bench-101; an edit is another digit, or a layer more or less at the end."""

    name = "transnas_macro"
    paper = _PAPER
    fidelities = _FIDELITIES
    reduced = ("reduced_wide", "reduced_narrow")
    slow_on_cpu = True

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return f"64-{_layers(text)}-basic"

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return rng.choice(_macros())

    def neighbours(self, architecture: str) -> list[str]:
        """Return the architectures with another digit, then with a layer less or more at the end."""
        layers = _layers(architecture)
        others = ["".join(digits) for digits in substitutions(layers, "1234")]
        others += [layers[:-1], *(layers + other for other in "1234")]
        return [f"64-{other}-basic" for other in others if _possible(other)]

    def architectures(self) -> Sequence[str]:
        """Return all 3,256 architectures in the order of their strings."""
        return _macros()

    def features(self, architecture: str) -> dict[str, float]:
        """Return the numbers of layers by digit, and how often channels double and the size halves up to each layer.

        Beyond the last layer, both keep their value.
        """
        layers = _layers(architecture)
        features = {"layers": len(layers)} | {f"count_{digit}": layers.count(digit) for digit in "1234"}
        for name, digits in (("doublings", "24"), ("halvings", "34")):
            features |= {f"{name}_{place}": sum(layer in digits for layer in layers[:place]) for place in range(1, 7)}
        return {name: float(value) for name, value in features.items()}

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network for classification, with the fidelity's channels."""
        return _build(_layers(architecture), "", fidelity, classes)


def _layers(text: str) -> str:
    match = _MACRO.fullmatch(text.strip())
    if match is None or not _possible(match[1]):
        raise InputError(
            "an architecture of transnas_macro must read like 64-14233-basic, with 4 to 6 layers, 1 to 3 of 2 and 4, "
            f"1 to 4 of 3 and 4, got {shown(text)!r}"
        )
    return match[1]


def _possible(layers: str) -> bool:
    doubled, halved = (sum(layer in which for layer in layers) for which in ("24", "34"))
    return 4 <= len(layers) <= 6 and 1 <= doubled <= 3 and 1 <= halved <= 4  # noqa: PLR2004 - as in TransNAS-Bench-101


@cache
def _macros() -> tuple[str, ...]:
    listed = ("".join(layers) for count in (4, 5, 6) for layers in itertools.product("1234", repeat=count))
    return tuple(sorted(f"64-{layers}-basic" for layers in listed if _possible(layers)))


SPACES.register(TransNasMicro())
SPACES.register(TransNasMacro())
