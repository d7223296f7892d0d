"""What a search space is: strings in, networks out; it knows nothing of accuracies.

An architecture is its canonical string. ``parse`` turns every accepted spelling into that string, so equal
architectures are equal strings.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from eznas.callables import module_digest

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn

__all__ = ["Fidelity", "SearchSpace", "shown"]

_SHOWN = 200


def shown(text: str) -> str:
    """Return what an error shows of a text that is no architecture: the beginning, where it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass(frozen=True)
class Fidelity:
    """How large a space's macro-structure is built, and what it is run on.

    Args:
        name: ``"full"`` for the benchmark's own networks.
        cells: Cells a stage, unless the space says otherwise.
        channels: Channels of the first stage, unless the space says otherwise.
        pixels: Height and width of the images.
        batch: Images of the minibatch; 0 for all of them.
    """

    name: str
    cells: int
    channels: int
    pixels: int
    batch: int = 0


class SearchSpace(abc.ABC):
    """A set of architectures and how to build them.

    Attributes:
        name: The name on command lines.
        paper: Where it is published.
        fidelities: By name; ``"full"`` is the benchmark's own network.
        reduced: The names of the fidelities on which evolution runs by default.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    fidelities: ClassVar[Mapping[str, Fidelity]]
    reduced: ClassVar[tuple[str, ...]]

    @property
    def digest(self) -> str:
        """Digest of the file that a space of somebody else's is written in; empty for those of this package."""
        module = type(self).__module__
        return "" if module.startswith("eznas.") else module_digest(module)

    @abc.abstractmethod
    def parse(self, text: str) -> str:
        """Return the official string of an architecture in any accepted spelling.

        Raises:
            InputError: The text is not an architecture of this space; the message says what must hold.
        """

    @abc.abstractmethod
    def canonical(self, architecture: str) -> str:
        """Return one representative of all architectures that build the same function."""

    @abc.abstractmethod
    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""

    def mutate(self, architecture: str, rng: random.Random) -> str:
        """Return one of the neighbours, drawn uniformly."""
        return rng.choice(self.neighbours(architecture))

    @abc.abstractmethod
    def neighbours(self, architecture: str) -> list[str]:
        """Return all architectures that are one edit away, in a fixed order."""

    @abc.abstractmethod
    def architectures(self) -> Sequence[str] | None:
        """Return every architecture in the benchmark's official order, or None where they are too many."""

    @abc.abstractmethod
    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, mapping ``b x 3 x h x w`` images to ``b x classes`` logits.

        Parameters are whatever torch's constructors give; ``eznas.networks.initialise`` sets them from a seed.
        """
