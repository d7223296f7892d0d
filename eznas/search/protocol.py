"""The protocol of search algorithms: ``ask`` returns an architecture, ``tell`` takes its observation.

An algorithm keeps no budget, computes no score and sees no accuracy but the signal's; the loop does the rest. So an
algorithm runs on tables and on untrained networks alike. ``eznas.testing.searchers`` checks the contract:

- ``ask`` returns an architecture of the domain, or None if the algorithm has no further proposals;
- each ``ask`` is followed by one ``tell`` of the same proposal, even if it was told before;
- a failure has the fitness minus infinity, and the algorithm continues after any observation;
- all random draws come from ``context.rng`` and ``context.guide``: the same seed gives the same search.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from eznas.registry import Registry
from eznas.search.config import SearcherConfig

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection

    from eznas.predictors import Predictor
    from eznas.search.domain import Domain
    from eznas.search.fitness_model import ModelCosts
    from eznas.search.guide import Guide
    from eznas.search.signals import Observation


S = TypeVar("S", bound="Searcher")


@dataclass(frozen=True)
class Proposal:
    """An architecture to query.

    Args:
        architecture: An architecture of the domain.
        level: Index of the level of training; -1 is the full one.
    """

    architecture: str
    level: int = -1


_DEFAULTS = SearcherConfig()


@dataclass(frozen=True)
class SearchContext:
    """Everything that a search may use.

    Args:
        domain: The architectures that it may propose.
        rng: The stream of its own draws.
        guide: Warm-up and moves.
        levels: Number of levels of training; the last is the full one.
        config: The settings.
        predictor: Makes the predictor of an algorithm with a model; None for the algorithm's surrogate.
    """

    domain: Domain
    rng: random.Random
    guide: Guide
    levels: int = 1
    config: SearcherConfig = _DEFAULTS
    predictor: Callable[[], Predictor] | None = None


class Searcher(abc.ABC):
    """One search by one algorithm.

    Args:
        context: Its domain, random draws and settings.

    Attributes:
        model_costs: The work of its model of the fitness; None for an algorithm without one.
    """

    pool: ClassVar[int] = 0
    """The default of ``SearcherConfig.pool``."""
    model_costs: ModelCosts | None = None

    def __init__(self, context: SearchContext) -> None:
        self.context = context
        self.size = context.config.pool or self.pool
        self._warm: list[str] | None = None

    @abc.abstractmethod
    def ask(self) -> Proposal | None:
        """Return the next proposal; None if there is none."""

    @abc.abstractmethod
    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Take the observation of the last proposal."""

    def warmed(self) -> str | None:
        """Return the next architecture of the warm-up, the best first; None if none is left."""
        if self._warm is None:
            self._warm = self.context.guide.warm()[::-1]
        return self._warm.pop() if self._warm else None

    def start(self, seen: Collection[str]) -> Proposal | None:
        """Propose an architecture outside ``seen``: the next of the warm-up, or a random one; None if none is left."""
        architecture = self.warmed()
        while architecture in seen:
            architecture = self.warmed()
        architecture = architecture or self.context.domain.fresh(self.context.rng, seen)
        return None if architecture is None else Proposal(architecture)

    def first(self) -> str:
        """Return the next architecture of the warm-up, or a random one."""
        return self.warmed() or self.context.domain.sample(self.context.rng)


@dataclass(frozen=True)
class Algorithm:
    """One search algorithm.

    Args:
        name: The name in options.
        paper: The publication.
        summary: One line for ``--help``.
        searcher: The class of its searches.
        moves: Whether it has steps that a proxy can guide.
        levels: Whether it needs several levels of training.
        costs: Whether it needs a second objective.
        model: Whether it fits a model of the fitness, such as a predictor.
    """

    name: str
    paper: str
    summary: str
    searcher: type[Searcher]
    moves: bool = False
    levels: bool = False
    costs: bool = False
    model: bool = False


ALGORITHMS: Registry[Algorithm] = Registry(
    "search algorithm", lambda algorithm: algorithm.name, ["eznas.search.algorithms.*"]
)
"""Every search algorithm by name."""


def register_algorithm(name: str, paper: str, summary: str, **facts: bool) -> Callable[[type[S]], type[S]]:
    """Return a class decorator that registers a searcher; see ``Algorithm``.

    Raises:
        InputError: The name is taken.
    """

    def register(searcher: type[S]) -> type[S]:
        ALGORITHMS.register(Algorithm(name, paper, summary, searcher, **facts))
        return searcher

    return register
