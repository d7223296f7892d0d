"""Synthetic search spaces with a known optimum, to test search algorithms."""

from __future__ import annotations

import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.spaces import Fidelity, SearchSpace
from eznas.spaces.base import substitutions

if TYPE_CHECKING:
    import random

    from torch import nn


class Letters(SearchSpace):
    """Words of a fixed length such as ``a-c-b``, without networks; an edit changes one letter.

    Args:
        places: Length of a word.
        letters: Size of the alphabet.
    """

    name = "letters"
    paper = "none"
    fidelities = MappingProxyType({})
    reduced = ()

    def __init__(self, places: int, letters: int) -> None:
        self.places = places
        self.letters = "abcdefghijklmnopqrstuvwxyz"[:letters]

    def parse(self, text: str) -> str:
        """Return the word."""
        parts = text.split("-")
        if len(parts) != self.places or not set(parts) <= set(self.letters):
            raise InputError(f"a word must have {self.places} of the letters {self.letters}, got {text!r}")
        return text

    def sample(self, rng: random.Random) -> str:
        """Draw a word uniformly."""
        return "-".join(rng.choices(self.letters, k=self.places))

    def neighbours(self, architecture: str) -> list[str]:
        """Return the words that differ in one letter."""
        return ["-".join(word) for word in substitutions(architecture.split("-"), self.letters)]

    def architectures(self) -> list[str]:
        """Return all words."""
        return ["-".join(word) for word in itertools.product(self.letters, repeat=self.places)]

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """There is nothing to build.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{architecture} has no network of {classes} classes at fidelity {fidelity.name}")

    def height(self, architecture: str) -> float:
        """Return a value with one optimum, the last letter everywhere, and a ridge that leads there.

        The sum over places of the letter's index, weighted by 1, 1.1, 1.2 ...: no two neighbours are equal.
        """
        return sum(
            (1 + place / 10) * self.letters.index(letter) for place, letter in enumerate(architecture.split("-"))
        )

    def optimum(self) -> str:
        """Return the word with the greatest height."""
        return "-".join(self.letters[-1] * self.places)
