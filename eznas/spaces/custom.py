"""A user's own space: a callable that builds a network from a string, and a table of accuracies by these strings.

Its name says where the callable is: ``custom:package.module:callable``. It is called with an architecture and the
number of classes, and returns a ``torch.nn.Module`` that maps ``b x 3 x h x w`` images to ``b x classes`` logits, whose
parameters are then initialised from the seed, as those of every space (``eznas.networks.initialise``). An attribute
``pixels`` of the callable is the height and width of the images, 32 where there is none.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from eznas.callables import load_callable, module_digest
from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from torch import nn

__all__ = ["PREFIX", "CustomSpace"]

PREFIX = "custom:"
_PIXELS = 32


class CustomSpace(SearchSpace):
    """A space of which nothing is known but how its networks are built.

    Whoever knows more of a space writes a ``SearchSpace`` and registers it.

    Args:
        name: ``custom:package.module:callable``.

    Raises:
        InputError: There is no such callable, or its ``pixels`` are no number of pixels.
    """

    paper: ClassVar[str] = ""
    reduced: ClassVar[tuple[str, ...]] = ("full",)
    name: str  # type: ignore[misc]  # one instance a callable
    fidelities: Mapping[str, Fidelity]  # type: ignore[misc]

    def __init__(self, name: str) -> None:
        self.name = name
        self._build = load_callable(name.removeprefix(PREFIX), "the builder of a custom space")
        module = name.removeprefix(PREFIX).partition(":")[0]
        self._digests = [*map(module_digest, dict.fromkeys([module, getattr(self._build, "__module__", module)]))]
        pixels = getattr(self._build, "pixels", _PIXELS)
        if type(pixels) is not int or pixels < 1:
            raise InputError(f"the attribute pixels of {name} must be a whole number above 0, got {pixels!r}")
        self.fidelities = MappingProxyType({"full": Fidelity("full", cells=1, channels=1, pixels=pixels)})

    @property
    def digest(self) -> str:
        """Digests of the file that is named and of the callable's; what these import is not covered."""
        return "+".join(filter(None, self._digests))

    def parse(self, text: str) -> str:
        """Return the text without space around it.

        Raises:
            InputError: Nothing is left.
        """
        if not text.strip():
            raise InputError("an architecture of a custom space must be some text, got none")
        return text.strip()

    def canonical(self, architecture: str) -> str:
        """Return the architecture: which ones build the same function is not known."""
        return self.parse(architecture)

    def sample(self, rng: random.Random) -> str:
        """Refuse: what architectures there are stands in the table alone.

        Raises:
            InputError: Always.
        """
        del rng
        raise InputError(f"{self.name} cannot be drawn from: its architectures are those of the table; {_advice()}")

    def mutate(self, architecture: str, rng: random.Random) -> str:
        """Refuse: what architectures there are stands in the table alone.

        Raises:
            InputError: Always.
        """
        del architecture, rng
        raise InputError(f"{self.name} has no known edits; {_advice()}")

    def neighbours(self, architecture: str) -> list[str]:
        """Return none: edits are not known."""
        self.parse(architecture)
        return []

    def architectures(self) -> Sequence[str] | None:
        """Return None: they are not known."""
        return None

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Call the user's callable.

        Raises:
            InputError: It does not return a network.
        """
        from torch import nn

        del fidelity
        network = self._build(self.parse(architecture), classes)
        if not isinstance(network, nn.Module):
            raise InputError(f"the builder of {self.name} must return a torch.nn.Module, got {type(network).__name__}")
        return network


def _advice() -> str:
    return "write an eznas.spaces.SearchSpace and register it for more"
