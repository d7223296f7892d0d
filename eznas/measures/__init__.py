"""Named zero-cost proxies: hand-written functions and programs in one register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures.registry import MEASURES, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["MEASURES", "Measure", "measure"]


def measure(
    *, name: str, paper: str, formula: str, needs: Iterable[str] = (), direction: int = 1
) -> Callable[[Callable[[nn.Module, Minibatch], float]], Callable[[nn.Module, Minibatch], float]]:
    """Register the decorated function, which scores a network on a minibatch and leaves it as it was.

    It returns NaN or an infinity where the measure is undefined; the scorer turns that into a status.

    Args:
        name: See ``Measure``, as for all that follow.
        paper: See ``Measure``.
        formula: See ``Measure``.
        needs: See ``Measure``.
        direction: See ``Measure``.

    Raises:
        InputError: The name is taken.
    """

    def register(
        function: Callable[[nn.Module, Minibatch], float],
    ) -> Callable[[nn.Module, Minibatch], float]:
        MEASURES.register(Measure(name, paper, formula, frozenset(needs), direction, function))
        return function

    return register
