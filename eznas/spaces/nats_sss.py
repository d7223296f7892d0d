"""The size space of NATS-Bench: five widths, each 8, 16, ..., 64, around one cell; 32,768 architectures.

An architecture reads ``64:32:8:48:16``: the channels of the first cell, the first halving block, the second cell, the
second block and the third cell.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name, shown, substitutions
from eznas.spaces.registry import SPACES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from torch import nn


WIDTHS = tuple(range(8, 65, 8))
"""The channels that each of the five places may have."""

_PLACES = 5


def to_widths(architecture: str) -> tuple[int, ...]:
    """Return the five widths of an architecture.

    Raises:
        InputError: The text does not have the form, or a width is none of ``WIDTHS``.
    """
    named = {str(width): width for width in WIDTHS}
    parts = architecture.strip().split(":")
    if len(parts) != _PLACES or not named.keys() >= set(parts):
        raise InputError(
            f"an architecture of nats_sss must be five of {', '.join(named)} between colons, such as 64:32:8:48:16, "
            f"got {shown(architecture)!r}"
        )
    return tuple(named[part] for part in parts)


def from_widths(widths: Sequence[int]) -> str:
    """Return the official string of five widths."""
    return ":".join(map(str, widths))


class NatsSss(SearchSpace):
    """The size space of NATS-Bench; an edit is another width at one place.

    A fidelity's ``channels`` are those of the largest width, 64; the others shrink in proportion.
    """

    name = "nats_sss"
    paper = "Dong, Liu, Musial, Gabrys. NATS-Bench. TPAMI 2021. arXiv:2009.00437"
    fidelities = by_name(
        Fidelity("full", cells=1, channels=64, pixels=32),
        Fidelity("reduced_wide", cells=1, channels=64, pixels=16, batch=8),
        Fidelity("reduced_narrow", cells=1, channels=32, pixels=16, batch=16),
    )
    reduced = ("reduced_wide", "reduced_narrow")

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored."""
        return from_widths(to_widths(text))

    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""
        return from_widths(rng.choices(WIDTHS, k=_PLACES))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the 35 architectures with another width at one place, by place and width."""
        return [*map(from_widths, substitutions(to_widths(architecture), WIDTHS))]

    def architectures(self) -> Sequence[str]:
        """Return all 32,768 architectures by their official index: the last width changes fastest."""
        return [from_widths(widths) for widths in itertools.product(WIDTHS, repeat=_PLACES)]

    def features(self, architecture: str) -> dict[str, float]:
        """Return the channels of each place, their sum, and the least and the greatest of them."""
        widths = to_widths(architecture)
        features = {f"channels_{place}": width for place, width in enumerate(widths, start=1)}
        features |= {"channels_sum": sum(widths), "channels_min": min(widths), "channels_max": max(widths)}
        return {name: float(value) for name, value in features.items()}

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the benchmark's network."""
        from eznas.networks.nats_sss import SizedNetwork

        self.check_pixels(fidelity, 4)
        if fidelity.channels < WIDTHS[0] or fidelity.channels % WIDTHS[0]:
            raise InputError(f"the channels of nats_sss must be a multiple of {WIDTHS[0]}, got {fidelity.channels}")
        widths = [width * fidelity.channels // WIDTHS[-1] for width in to_widths(architecture)]
        return SizedNetwork(widths, classes=classes)


SPACES.register(NatsSss())
