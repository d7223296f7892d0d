"""The one protocol of every search algorithm: it is asked for an architecture, and told what came of it.

An algorithm keeps no budget, computes no score and knows no accuracy but the signal's. The loop does all that, so one
that is written for a table also runs on networks that were never trained. The contract, which
``eznas.testing.searchers`` checks:

- ``ask`` returns an architecture of the domain, or None when the algorithm has nothing more to propose;
- every ``ask`` is followed by one ``tell`` of the same proposal, also where it was told before;
- a failure has the fitness minus infinity; an algorithm must go on with whatever it is told;
- all chance comes from ``task.rng`` and ``task.guide``: the same seed gives the same search.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from eznas.registry import Registry

if TYPE_CHECKING:
    import random
    from collections.abc import Collection

    from eznas.search.domain import Domain
    from eznas.search.guide import Guide
    from eznas.search.signals import Observation

__all__ = ["ALGORITHMS", "Algorithm", "Proposal", "Searcher", "SearcherConfig", "Task"]


@dataclass(frozen=True)
class Proposal:
    """What an algorithm asks for.

    Args:
        architecture: An architecture of the domain.
        level: Which of the task's levels of training; -1 is the full one.
    """

    architecture: str
    level: int = -1


@dataclass(frozen=True)
class SearcherConfig:
    """The settings of all algorithms; each reads those that it has.

    Args:
        pool: Architectures of a population or of what a surrogate begins with; 0 for the algorithm's own number.
        tournament: Architectures that compete to be a parent.
        surrogate: Name in ``eznas.search.surrogate.SURROGATES``; empty for the algorithm's own.
        encoding: ``"onehot"`` or ``"path"``: what a surrogate sees of an architecture.
        eta: One in how many architectures is promoted to the next level of training.
    """

    pool: int = 0
    tournament: int = 10
    surrogate: str = ""
    encoding: str = "onehot"
    eta: int = 3


@dataclass(frozen=True)
class Task:
    """What an algorithm is given.

    Args:
        domain: What it may propose.
        rng: The stream for its own draws.
        guide: Warm-up and moves.
        levels: Number of levels of training; the last is the full one.
        config: Settings.
    """

    domain: Domain
    rng: random.Random
    guide: Guide
    levels: int = 1
    config: SearcherConfig = field(default_factory=SearcherConfig)


class Searcher(abc.ABC):
    """One search.

    Args:
        task: What to search.
    """

    pool: ClassVar[int] = 0
    """The usual ``SearcherConfig.pool``."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.size = task.config.pool or self.pool
        self._warm: list[str] | None = None

    @abc.abstractmethod
    def ask(self) -> Proposal | None:
        """Return what to look at next; None when there is nothing more to propose."""

    @abc.abstractmethod
    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Take what came of the last proposal."""

    def warmed(self) -> str | None:
        """Return the best architecture of the warm-up that was not returned yet; None when there is none."""
        if self._warm is None:
            self._warm = self.task.guide.warm()[::-1]
        return self._warm.pop() if self._warm else None

    def start(self, seen: Collection[str]) -> str | None:
        """Return where to begin anew: the next of the warm-up that is not in ``seen``, or a draw that is not."""
        warm = self.warmed()
        while warm in seen:
            warm = self.warmed()
        return warm or self.task.domain.fresh(self.task.rng, seen)

    def first(self) -> str:
        """Return the next architecture of the warm-up, or a random one."""
        return self.warmed() or self.task.domain.sample(self.task.rng)


@dataclass(frozen=True)
class Algorithm:
    """One search algorithm.

    Args:
        name: The name on command lines.
        paper: Where it is published.
        summary: What it does, in one line.
        searcher: Makes a search of a task.
        moves: Whether it has a step that a proxy can guide.
        levels: Whether it needs several levels of training.
        costs: Whether it needs a second objective.
    """

    name: str
    paper: str
    summary: str
    searcher: type[Searcher]
    moves: bool = False
    levels: bool = False
    costs: bool = False


ALGORITHMS: Registry[Algorithm] = Registry(
    "search algorithm", lambda algorithm: algorithm.name, ["eznas.search.algorithms.*"]
)
"""Every search algorithm by name."""
