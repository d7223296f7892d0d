"""The one stream of chance of a run, which DEAP's operators share and a checkpoint keeps."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deap_random", "from_json", "to_json"]


@contextlib.contextmanager
def deap_random(rng: random.Random) -> Iterator[None]:
    """Let DEAP, which draws from the global ``random``, draw from ``rng`` instead; the global state is put back."""
    outside = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        rng.setstate(random.getstate())
        random.setstate(outside)


def to_json(rng: random.Random) -> list[Any]:
    """Return the stream's state in a form that JSON keeps exactly."""
    version, words, gauss = rng.getstate()
    return [version, list(words), gauss]


def from_json(state: list[Any]) -> random.Random:
    """Rebuild the stream from what ``to_json`` gave."""
    rng = random.Random()
    version, words, gauss = state
    rng.setstate((version, tuple(words), gauss))
    return rng
