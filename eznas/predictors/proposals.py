"""Runs a search that proposes architectures one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def run_proposals(proposals: Generator[int, float, list[int]], train_one: Callable[[int], float]) -> list[int]:
    """Train each proposed architecture, and return the ranking at the end.

    Args:
        proposals: Yields places of architectures, receives their accuracies, and returns all places, the best first.
        train_one: Returns the accuracy of the architecture at a place.
    """
    try:
        place = next(proposals)
        while True:
            place = proposals.send(train_one(place))
    except StopIteration as end:
        ranking: list[int] = end.value
        return ranking
