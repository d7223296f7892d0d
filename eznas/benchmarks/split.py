"""Disjoint samples of a table's architectures."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from eznas.errors import InputError
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.spaces import SearchSpace


_NAMES = ("training", "validation", "test")


def sample_splits(
    architectures: Sequence[str], sizes: tuple[int, int, int], seed: int, space: SearchSpace
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Draw training, validation and test architectures; no function is in two parts.

    The test part is drawn first, uniformly from all; then validation, uniformly from the architectures
    whose ``space.canonical`` is not that of a test architecture; then training, likewise. Within a part, several
    architectures may have the same canonical form. A smaller test part is the beginning of a larger one, and does not
    depend on the other sizes; the other parts depend on the parts drawn before them.

    Args:
        architectures: Those of a table, in its order.
        sizes: Numbers of training, validation and test architectures.
        seed: Seed of the draw.
        space: Their search space.

    Raises:
        InputError: A size is negative, or too few architectures are left for a part.
    """
    if min(sizes) < 0:
        raise InputError(f"the numbers of architectures must not be negative, got {sizes}")
    order = list(architectures)
    python_rng(seed, "splits").shuffle(order)
    used: set[str] = set()
    parts: list[tuple[str, ...]] = []
    fresh = (architecture for architecture in order if space.canonical(architecture) not in used)
    for name, size in zip(reversed(_NAMES), reversed(sizes), strict=True):
        part = tuple(itertools.islice(fresh, size))
        if len(part) < size:
            raise InputError(
                f"the table has {len(order)} architectures, too few for {sizes[0]} training, {sizes[1]} "
                f"validation and {sizes[2]} test ones that share no function: only {len(part)} are left for "
                f"{name}; ask for fewer"
            )
        used.update(map(space.canonical, part))
        parts.append(part)
    test, validation, training = parts
    return training, validation, test
