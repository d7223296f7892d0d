"""How many different patterns a network's activations make over the images.

References:
    [SWAP] Peng, Song, Fayek, Ciesielski, Chang. SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS. ICLR
        2024.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.capture import NoUnitsError
from eznas.measures import measure_from_passes

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.passes.network_passes import NetworkPasses

__all__ = ["CENTRE", "WIDTH", "pattern_count", "swap", "swap_regularised"]

CENTRE = 1000.0
"""Thousands of parameters that the regularisation favours: the mu of the paper, which leaves it to the user."""
WIDTH = 1e6
"""The square of how many thousands around them: the sigma of the paper, likewise."""

_WORD = 62
_PAPER = "Peng et al., SWAP-NAS, ICLR 2024"


@measure_from_passes(
    "patterns",
    name="swap",
    paper=_PAPER,
    formula="number of different columns of the images x activations matrix of positive inputs",
    reference="rho of its regularised form .90 on NAS-Bench-201 (CIFAR-100)",
)
def swap(passes: NetworkPasses) -> float:
    """Return the number of different sample-wise activation patterns, at most two to the number of images.

    Read are all activations on which the logits depend and whose input can be negative, GELU and the like among them.

    Raises:
        NoUnitsError: There is none.
    """
    return _count(passes)


@measure_from_passes(
    "patterns",
    name="swap_regularised",
    paper=_PAPER,
    formula="swap times exp(-(p - 1000)^2 / 10^6), p thousands of parameters",
    reference="rho .90 on NAS-Bench-201 (CIFAR-100), its mu and sigma chosen there",
)
def swap_regularised(passes: NetworkPasses) -> float:
    """Return ``swap`` times a bell around ``CENTRE`` thousands of parameters."""
    thousands = sum(parameter.numel() for parameter in passes.network.parameters()) / 1e3
    return _count(passes) * math.exp(-((thousands - CENTRE) ** 2) / WIDTH)


def _count(passes: NetworkPasses) -> float:
    return float(pattern_count([positive for _, positive in passes.patterns()]))


def pattern_count(positive: list[Tensor]) -> int:
    """Return how many different columns ``b x n`` boolean tensors have together.

    Raises:
        NoUnitsError: There are no tensors.
    """
    if not positive:
        raise NoUnitsError("the network must have an activation whose input can be negative; it has none")
    return _different(torch.cat([_different(_words(one)) for one in positive], 1)).shape[1]


def _words(columns: Tensor) -> Tensor:
    """Return the bits of ``b x n`` columns as whole numbers, 62 images a word: ``w x n``."""
    words = []
    for rows in torch.split(columns, _WORD):
        word = torch.zeros(columns.shape[1], dtype=torch.int64, device=columns.device)
        for row in rows:
            word = 2 * word + row
        words.append(word)
    return torch.stack(words)


def _different(words: Tensor) -> Tensor:
    """Return the different columns of ``w x n`` words; sorting numbers is ten times faster than sorting columns."""
    count = words.shape[1]
    if len(words) == 1 or not count:
        alone: Tensor = torch.unique(words)
        return alone.expand(len(words), -1)
    places = torch.zeros_like(words[0])
    for word in words:
        places = places * count + torch.unique(word, return_inverse=True)[1]
        places = torch.unique(places, return_inverse=True)[1]
    one_of_each = places.new_empty(int(places.max()) + 1)
    one_of_each[places] = torch.arange(count, device=words.device)
    return words[:, one_of_each]
