"""The random generator of a run, which DEAP's operators share and checkpoints keep."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def deap_random(rng: random.Random) -> Iterator[None]:
    """Let DEAP draw from ``rng``: its state replaces the state of the global ``random`` inside the block."""
    global_state = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        rng.setstate(random.getstate())
        random.setstate(global_state)


def to_json(rng: random.Random) -> list[Any]:
    """Return the generator's state in a form that JSON keeps exactly."""
    version, words, gauss = rng.getstate()
    return [version, list(words), gauss]


def from_json(state: list[Any]) -> random.Random:
    """Restore a generator from the result of ``to_json``."""
    rng = random.Random()
    version, words, gauss = state
    rng.setstate((version, tuple(words), gauss))
    return rng
