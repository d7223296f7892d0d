"""Disjoint training and test architectures of a trial, drawn uniformly or as an evolution would meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from eznas.benchmarks.split import sample_splits
from eznas.errors import InputError
from eznas.seeds import derive_seed, python_rng

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.spaces import SearchSpace

Sampling = Literal["uniform", "mutation"]
_POOL, _PARENTS, _MOST_EDITS, _PATIENCE = 10, 5, 3, 1000


def draw_trial(
    space: SearchSpace, accuracies: Mapping[str, float], train: int, test: int, sampling: Sampling, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw training and test architectures that have no function in common.

    ``"uniform"`` draws both from the whole table. ``"mutation"`` imitates an evolution, as White et al. do: from a pool
    of 10 random architectures the best 5 are parents; a test architecture is one to three edits away from a parent, and
    a training architecture one edit away from a test architecture. A smaller training set is the beginning of a larger
    one, and the test architectures do not depend on its size.

    Args:
        space: The search space.
        accuracies: Of each architecture in the table.
        train: Number of training architectures.
        test: Number of test architectures.
        sampling: How to draw.
        seed: Seed of the draw.

    Raises:
        InputError: The table has too few architectures, or the edits reach too few of them.
    """
    listed = [*accuracies]
    if sampling == "uniform":
        drawn, _, tested = sample_splits(listed, (train, 0, test), derive_seed(seed, "trial"), space)
        return drawn, tested
    rng = python_rng(seed, "mutations")
    pool = rng.sample(listed, min(_POOL, len(listed)))
    parents = sorted(pool, key=lambda one: (-accuracies[one], one))[:_PARENTS]
    taken: set[str] = set()

    def edited(starts: Sequence[str], count: int, most: int) -> tuple[str, ...]:
        found: list[str] = []
        for _ in range(_PATIENCE * count):
            if len(found) == count:
                return tuple(found)
            one = rng.choice(starts)
            for _ in range(rng.randint(1, most)):
                one = space.mutate(one, rng)
            if one in accuracies and space.canonical(one) not in taken:
                taken.add(space.canonical(one))
                found.append(one)
        if len(found) == count:
            return tuple(found)
        raise InputError(
            f"edits of the best architectures reach only {len(found)} of {count} architectures in the table; ask for "
            "fewer, or for uniform sampling",
            parameters=("sampling",),
        )

    tested = edited(parents, test, _MOST_EDITS)
    return edited(tested, train, 1), tested
