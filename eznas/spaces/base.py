"""Search spaces: strings in, networks out. A space knows nothing of accuracies.

An architecture is its official string. ``parse`` turns every accepted spelling into that string, so equal
architectures are equal strings.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeVar

from eznas.callables import module_digest
from eznas.errors import InputError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn


_SHOWN = 200
T = TypeVar("T")


def shown(text: str) -> str:
    """Return a text as errors show it: the beginning, where it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def substitutions(items: Sequence[T], choices: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the sequences that differ from ``items`` in one place, by place and choice."""
    for place, item in enumerate(items):
        yield from ((*items[:place], other, *items[place + 1 :]) for other in choices if other != item)


def on_paths(edges: Sequence[tuple[int, int]], used: Sequence[bool]) -> list[bool]:
    """Return which edges lie on a path of used edges from node 0 to the last node.

    Args:
        edges: Source and target of each edge, sorted by target; the last leads to the last node.
        used: Whether each edge is used.
    """
    fed, wanted = {0}, {edges[-1][1]}
    pairs = [edge for edge, kept in zip(edges, used, strict=True) if kept]
    for source, target in pairs:
        if source in fed:
            fed.add(target)
    for source, target in reversed(pairs):
        if target in wanted:
            wanted.add(source)
    return [source in fed and target in wanted for source, target in edges]


@dataclass(frozen=True)
class Fidelity:
    """The size at which networks of a space are built, and of their images.

    Args:
        name: ``"full"`` for the benchmark's own networks.
        cells: Cells a stage, unless the space says otherwise.
        channels: Channels of the first stage, unless the space says otherwise.
        pixels: Height and width of the images; the number of tokens of networks that read tokens.
        batch: Images of the minibatch; 0 for all.
    """

    name: str
    cells: int
    channels: int
    pixels: int
    batch: int = 0


def by_name(*fidelities: Fidelity) -> Mapping[str, Fidelity]:
    """Return fidelities as a read-only mapping from their names."""
    return MappingProxyType({fidelity.name: fidelity for fidelity in fidelities})


class SearchSpace(abc.ABC):
    """A set of architectures and how to build them.

    Attributes:
        name: The name in ``SPACES``.
        paper: The publication.
        fidelities: By name; ``"full"`` is the benchmark's own network.
        reduced: The names of the fidelities on which evolution runs by default.
        vocabulary: 0 for networks of images. For networks that read ``b x n`` tokens, the number of different tokens;
            ``pixels`` of a fidelity is then the number ``n`` of tokens.
        slow_on_cpu: Whether networks of full size can take minutes on a CPU.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    fidelities: ClassVar[Mapping[str, Fidelity]]
    reduced: ClassVar[tuple[str, ...]]
    vocabulary: ClassVar[int] = 0
    slow_on_cpu: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<SearchSpace {self.name}>"

    @property
    def digest(self) -> str:
        """Digest of the file with a user's space; empty for the spaces of this package."""
        module = type(self).__module__
        return "" if module.startswith("eznas.") else module_digest(module)

    @abc.abstractmethod
    def parse(self, text: str) -> str:
        """Return the official string of an architecture in any accepted spelling.

        Raises:
            InputError: The text is not an architecture of this space; the message says what must hold.
        """

    def canonical(self, architecture: str) -> str:
        """Return one representative of all architectures that build the same function; by default all differ."""
        return self.parse(architecture)

    @abc.abstractmethod
    def sample(self, rng: random.Random) -> str:
        """Draw an architecture uniformly."""

    def mutate(self, architecture: str, rng: random.Random) -> str:
        """Return one of the neighbours, drawn uniformly.

        Raises:
            InputError: There are none.
        """
        neighbours = self.neighbours(architecture)
        if not neighbours:
            raise InputError(f"{architecture} of {self.name} has no known edits; choose an algorithm without mutation")
        return rng.choice(neighbours)

    def neighbours(self, architecture: str) -> list[str]:
        """Return all architectures that are one edit away, in a fixed order; by default no edit is known."""
        self.parse(architecture)
        return []

    def architectures(self) -> Sequence[str] | None:
        """Return every architecture in the benchmark's official order; None, the default, where they are too many."""
        return None

    def features(self, architecture: str) -> dict[str, float]:
        """Return features of an architecture that need no network, by name; by default there are none.

        Every architecture of a space has the same names, made of a-z, 0-9 and _; the values are finite. Architectures
        with one canonical form have the same features.

        Raises:
            InputError: The space has no such architecture.
        """
        self.parse(architecture)
        return {}

    @abc.abstractmethod
    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Build the network, mapping ``b x 3 x h x w`` images, or ``b x n`` tokens, to ``b x classes`` logits.

        Parameters keep the values of torch's constructors; ``eznas.networks.initialise`` sets them from a seed.

        Raises:
            InputError: The space has no such architecture, or the fidelity does not fit, such as images that cannot be
                halved often enough.
        """

    def check_pixels(self, fidelity: Fidelity, divisor: int) -> None:
        """Check that the networks can divide the images.

        Raises:
            InputError: The height is no multiple of ``divisor``.
        """
        if fidelity.pixels % divisor:
            raise InputError(
                f"the images of {self.name} must have a multiple of {divisor} pixels, got {fidelity.pixels}"
            )
