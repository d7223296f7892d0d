"""A user's own space: a callable that builds a network from a string, and a table of accuracies by these strings.

The name of the space, ``custom:package.module:callable``, locates the callable. The callable takes an architecture and
the number of classes, and returns a ``torch.nn.Module`` that maps ``b x 3 x h x w`` images to ``b x classes`` logits;
``eznas.networks.initialise`` then sets the parameters. An attribute ``pixels`` of the callable is the height and width
of the images, 32 by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.callables import load_callable, module_digest
from eznas.errors import InputError
from eznas.spaces.base import Fidelity, SearchSpace, by_name

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from torch import nn


PREFIX = "custom:"
_PIXELS = 32


class CustomSpace(SearchSpace):
    """A space that knows only how to build its networks; a registered ``SearchSpace`` can do more.

    Args:
        name: ``custom:package.module:callable``.

    Raises:
        InputError: There is no such callable, or its ``pixels`` are no number of pixels.
    """

    paper = ""
    reduced = ("full",)
    name: str  # type: ignore[misc]  # an instance for each callable
    fidelities: Mapping[str, Fidelity]  # type: ignore[misc]

    def __init__(self, name: str) -> None:
        self.name = name
        self._build = load_callable(name.removeprefix(PREFIX), "the builder of a custom space")
        module = name.removeprefix(PREFIX).partition(":")[0]
        self._digests = [*map(module_digest, dict.fromkeys([module, getattr(self._build, "__module__", module)]))]
        pixels = getattr(self._build, "pixels", _PIXELS)
        if type(pixels) is not int or pixels < 1:
            raise InputError(f"the attribute pixels of {name} must be a whole number above 0, got {pixels!r}")
        self.fidelities = by_name(Fidelity("full", cells=1, channels=1, pixels=pixels))

    @property
    def digest(self) -> str:
        """Digests of the named module's file and of the callable's; they do not cover the modules that these import."""
        return "+".join(filter(None, self._digests))

    def parse(self, text: str) -> str:
        """Return the official string; white space around the text is ignored.

        Raises:
            InputError: The text is empty.
        """
        if not text.strip():
            raise InputError("an architecture of a custom space must be some text, got none")
        return text.strip()

    def sample(self, rng: random.Random) -> str:
        """Refuse, since only the table knows the architectures.

        Raises:
            InputError: Always.
        """
        del rng
        raise InputError(
            f"{self.name} cannot draw architectures, which only its table lists; write an eznas.spaces.SearchSpace and "
            "register it for more"
        )

    def build(self, architecture: str, fidelity: Fidelity, classes: int) -> nn.Module:
        """Call the user's callable.

        Raises:
            InputError: The callable does not return a network.
        """
        from torch import nn

        del fidelity
        network = self._build(self.parse(architecture), classes)
        if not isinstance(network, nn.Module):
            raise InputError(f"the builder of {self.name} must return a torch.nn.Module, got {type(network).__name__}")
        return network
