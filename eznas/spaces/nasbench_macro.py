"""NAS-Bench-Macro: eight layers, each one of three; 6,561 architectures.

An architecture reads ``01201221``: 0 identity, 1 an inverted residual of expansion 3 and kernel 3, 2 one of expansion
6 and kernel 5.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown, substitutions
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from torch import nn


_FORM = re.compile(r"[012]{8}")
_STAGES = ((0, 2), (2, 5), (5, 8))


class NasBenchMacro(SearchSpace):
    """The space of NAS-Bench-Macro; an edit is another layer at one place."""

    name = "nasbench_macro"
    paper = "Su et al. Prioritized Architecture Sampling with Monto-Carlo Tree Search. CVPR 2021. arXiv:2103.11922"
    fidelities = by_name(
        Fidelity("full", cells=8, channels=32, pixels=32),
        Fidelity("reduced_wide", cells=8, channels=32, pixels=16, batch=8),
        Fidelity("reduced_narrow", cells=8, channels=16, pixels=16, batch=16),
    )
    reduced = ("reduced_wide", "reduced_narrow")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        layers = text.strip()
        if _FORM.fullmatch(layers) is None:
            raise InputError(
                f"an architecture of nasbench_macro must be eight digits of 0, 1 and 2, got {shown(text)!r}"
            )
        return layers

    def canonical(self, architecture: str) -> str:
        """Return the architecture with the identities of each stage last, except a stage's first layer."""
        layers = self.parse(architecture)
        parts = []
        for start, end in _STAGES:
            later = layers[start + 1 : end]
            parts.append(layers[start] + later.replace("0", "").ljust(len(later), "0"))
        return "".join(parts)

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return "".join(rng.choices("012", k=8))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the 16 architectures with another layer at one place, by place and layer."""
        return ["".join(layers) for layers in substitutions(self.parse(architecture), "012")]

    def architectures(self) -> Sequence[str]:
        """Return all 6,561 architectures in the order of their strings."""
        return ["".join(layers) for layers in itertools.product("012", repeat=8)]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the numbers of layers of each kind, in the whole network and in each stage.

        The kinds are ``identity``, ``mb3`` (expansion 3) and ``mb6`` (expansion 6).
        """
        layers = self.parse(architecture)
        parts = {"all": layers} | {f"stage_{n}": layers[start:end] for n, (start, end) in enumerate(_STAGES, start=1)}
        return {
            f"{kind}_{name}": float(part.count(digit))
            for name, part in parts.items()
            for digit, kind in zip("012", ("identity", "mb3", "mb6"), strict=True)
        }

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network, with the fidelity's channels."""
        from eznas.networks.nasbench_macro import MacroNetwork

        self.check_pixels(fidelity, 8)
        return MacroNetwork(self.parse(architecture), channels=fidelity.channels, classes=classes)


SPACES.register(NasBenchMacro())
