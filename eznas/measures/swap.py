"""Number of different activation patterns over the images.

References:
    [SWAP] Peng, Song, Fayek, Ciesielski, Chang. SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS. ICLR
        2024.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from eznas.capture import NoUnitsError
from eznas.measures import NetworkPasses, measure_from_passes
from eznas.passes.sizes import ENTRY

if TYPE_CHECKING:
    from eznas.passes.sizes import Sizes

CENTRE = 1000.0
"""The paper's mu, in thousands of parameters: the size that the regularisation favours. The paper fixes no value."""
WIDTH = 1e6
"""The paper's sigma, in squared thousands of parameters: the width around ``CENTRE``. The paper fixes no value."""

_WORD = 62
_SORTED = 100
"""The time to sort an integer, in entries of an elementwise function."""
_PAPER = "Peng et al., SWAP-NAS, ICLR 2024"


def _seconds(sizes: Sizes) -> float:
    return sizes.patterns * (_SORTED + 4 * sizes.images) * ENTRY


@measure_from_passes(
    "patterns",
    paper=_PAPER,
    formula="number of different columns in the matrix that linear_regions defines",
    seconds=_seconds,
    reference="rho of its regularised form .90 on NAS-Bench-201 (CIFAR-100)",
)
def swap(passes: NetworkPasses) -> float:
    """Return the number of different sample-wise activation patterns, at most ``2^b`` for ``b`` images.

    All activations that can be negative are read, such as ReLU and GELU, if the logits depend on them.

    Raises:
        NoUnitsError: There is no such activation.
    """
    return _count(passes)


@measure_from_passes(
    "patterns",
    paper=_PAPER,
    formula="swap times exp(-(p - mu)^2 / sigma), where p is the number of parameters in thousands, mu = 1000 and "
    "sigma = 10^6",
    seconds=_seconds,
    reference="rho .90 on NAS-Bench-201 (CIFAR-100), with mu and sigma that the authors chose there and do not state",
)
def swap_regularised(passes: NetworkPasses) -> float:
    """Return ``swap`` times a Gaussian of the number of parameters around ``CENTRE``."""
    thousands = sum(parameter.numel() for parameter in passes.network.parameters()) / 1e3
    return _count(passes) * math.exp(-((thousands - CENTRE) ** 2) / WIDTH)


def _count(passes: NetworkPasses) -> float:
    return float(pattern_count([positive for _, positive in passes.patterns()]))


def pattern_count(positive: list[torch.Tensor]) -> int:
    """Return the number of different columns of ``b x n`` boolean tensors together.

    Raises:
        NoUnitsError: There are no tensors.
    """
    if not positive:
        raise NoUnitsError("the network must have an activation whose output can be negative or zero; it has none")
    return _different(torch.cat([_different(_words(columns)) for columns in positive], 1)).shape[1]


def _words(columns: torch.Tensor) -> torch.Tensor:
    """Pack the bits of ``b x n`` columns into integers, 62 images a word: ``w x n``."""
    words = []
    for rows in torch.split(columns, _WORD):
        word = torch.zeros(columns.shape[1], dtype=torch.int64, device=columns.device)
        for row in rows:
            word = 2 * word + row
        words.append(word)
    return torch.stack(words)


def _different(words: torch.Tensor) -> torch.Tensor:
    """Return the different columns of ``w x n`` words, by sorting integers, which is faster than sorting columns."""
    count = words.shape[1]
    if len(words) == 1 or not count:
        alone: torch.Tensor = torch.unique(words)
        return alone.expand(len(words), -1)
    places = torch.zeros_like(words[0])
    for word in words:
        places = places * count + torch.unique(word, return_inverse=True)[1]
        places = torch.unique(places, return_inverse=True)[1]
    representatives = places.new_empty(int(places.max()) + 1)
    representatives[places] = torch.arange(count, device=words.device)
    return words[:, representatives]
