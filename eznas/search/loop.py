"""One search: ask the algorithm, query the signal, tell the algorithm, and charge the costs.

A query of a new architecture costs one query, its epochs and its seconds. A score that guides the search costs its
seconds, and its epochs if it is a short training. A repeated query is free, unless repeats are counted, as some
published scripts do. The seconds of an algorithm's own model of the fitness are stated and not charged.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.search.fitness_model import ModelCosts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.search.guide import Guide
    from eznas.search.protocol import Proposal, Searcher
    from eznas.search.signals import Observation, Signal


_PATIENCE = 1000
"""Repeated queries in a row after which an algorithm is taken to have no new proposal."""


@dataclass(frozen=True)
class SearchBudget:
    """When a search ends: as soon as one of these is spent. The last query may exceed seconds and epochs.

    Args:
        queries: Number of queries.
        seconds: Seconds of training and scoring.
        epochs: Epochs of training.
        repeats: Whether a repeated query costs as much as the first.

    Raises:
        InputError: None is given, or one is negative or not a number.
    """

    queries: int | None = None
    seconds: float | None = None
    epochs: float | None = None
    repeats: bool = False

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.queries, self.seconds, self.epochs) if limit is not None]
        if not limits or not all(limit >= 0 for limit in limits):
            message = f"a budget must have queries, seconds or epochs, none negative; got {self}"
            raise InputError(message, parameters=("queries", "seconds", "epochs"))

    def spent(self, queries: int, seconds: float, epochs: float) -> bool:
        """Whether the search has to end."""
        pairs = ((self.queries, queries), (self.seconds, seconds), (self.epochs, epochs))
        return any(limit is not None and used >= limit for limit, used in pairs)


@dataclass(frozen=True)
class Objective:
    """The objective of a search.

    Args:
        levels: The signal to maximise, at each level of training; the last is the full one.
        against: The second objective, to minimise; None for one objective.
        truth: Accuracies to report; the algorithm sees them only if they are the signal. Empty for none.
    """

    levels: Sequence[Signal]
    against: Signal | None
    truth: Mapping[str, float]

    def observe(self, proposal: Proposal) -> Observation:
        """Query an architecture."""
        observation = self.levels[proposal.level].observe([proposal.architecture])[0]
        if self.against is None:
            return observation
        cost = self.against.observe([proposal.architecture])[0]
        value = cost.score.value if cost.score.ok else math.nan
        return replace(observation, cost=value, seconds=observation.seconds + cost.seconds)


@dataclass(frozen=True)
class Step:
    """The state after one query.

    Args:
        architecture: The queried architecture.
        level: The level of training.
        value: The value of the signal; None for a failure.
        status: Status of the signal.
        epochs: Epochs of training so far.
        seconds: Seconds of training and scoring so far.
        best: The best architecture so far; None while all queries failed.
        best_value: The value of the signal for it.
        best_accuracy: Its reported accuracy; None if there is none.
        cost: The second objective; None if there is none.
    """

    architecture: str
    level: int
    value: float | None
    status: str
    epochs: float
    seconds: float
    best: str | None
    best_value: float | None
    best_accuracy: float | None
    cost: float | None = None


@dataclass(frozen=True)
class Run:
    """A finished search.

    Args:
        steps: One per query.
        ended: Why the search ended.
        repeats: Number of repeated queries.
        scored: Number of architectures that were scored to guide the search.
        score_seconds: Seconds of these scores.
        model: The work of the algorithm's model of the fitness. No budget is charged for it, so that a search does not
            depend on the speed of the machine.
    """

    steps: tuple[Step, ...]
    ended: str
    repeats: int
    scored: int
    score_seconds: float
    model: ModelCosts = field(default_factory=ModelCosts, compare=False)

    def record(self) -> dict[str, Any]:
        """Return the run as JSON: its result, then its steps as parallel lists."""
        last = self.steps[-1] if self.steps else None
        columns = [asdict(step) for step in self.steps]
        names = [name for name in Step.__dataclass_fields__ if name != "best"]
        return {
            "best": last.best if last else None,
            "best_value": last.best_value if last else None,
            "accuracy": last.best_accuracy if last else None,
            "queries": len(self.steps),
            "epochs": last.epochs if last else 0.0,
            "seconds": last.seconds if last else 0.0,
            "scored": self.scored,
            "score_seconds": self.score_seconds,
            "repeats": self.repeats,
            "fits": self.model.fits,
            "failed_fits": self.model.failed,
            "predictions": self.model.predictions,
            "model_seconds": self.model.seconds,
            "ended": self.ended,
            "steps": {name: [column[name] for column in columns] for name in names},
        }


def search(
    searcher: Searcher,
    objective: Objective,
    budget: SearchBudget,
    guide: Guide,
    size: int | None,
    advance: Callable[[], None] = lambda: None,
) -> Run:
    """Run one search to its end.

    Args:
        searcher: A fresh algorithm.
        objective: The signals to optimise.
        budget: When it ends.
        guide: The algorithm's guide, whose costs are charged.
        size: Number of architectures in the domain; None if they cannot be counted.
        advance: Is called after each query that the budget is charged for.
    """
    ledger = _Ledger(objective)
    while True:
        if budget.spent(len(ledger.steps), ledger.seconds + guide.seconds, ledger.epochs + guide.epochs):
            ended = "budget"
            break
        if not budget.repeats and size is not None and ledger.complete >= size:
            ended = "every architecture was queried"
            break
        if ledger.in_a_row >= _PATIENCE:
            ended = f"{_PATIENCE} repeats in a row"
            break
        proposal = searcher.ask()
        if proposal is None:
            ended = "no further proposals"
            break
        steps = len(ledger.steps)
        searcher.tell(proposal, ledger.query(proposal, guide, repeats=budget.repeats))
        if len(ledger.steps) > steps:
            advance()
    model = searcher.model_costs or ModelCosts()
    return Run(tuple(ledger.steps), ended, ledger.repeats, guide.scored, guide.seconds, model)


class _Ledger:
    """Observations, costs and the best architecture so far."""

    def __init__(self, objective: Objective) -> None:
        self.steps: list[Step] = []
        self.seconds = 0.0
        self.epochs = 0.0
        self.repeats = 0
        self.in_a_row = 0
        self.complete = 0
        self._objective = objective
        self._known: dict[tuple[str, int], Observation] = {}
        self._best: tuple[int, float] = (-1, -math.inf)
        self._best_of: tuple[str, float] | None = None

    def query(self, proposal: Proposal, guide: Guide, *, repeats: bool) -> Observation:
        """Observe a proposal, or recall its observation; charge it and keep the best."""
        level = range(len(self._objective.levels))[proposal.level]
        key = proposal.architecture, level
        observation = self._known.get(key)
        if observation is None:
            self.in_a_row = 0
            observation = self._known[key] = self._objective.observe(proposal)
            self.complete += level == len(self._objective.levels) - 1
        else:
            self.repeats += 1
            self.in_a_row += 1
            if not repeats:
                return observation
        self.seconds += observation.seconds
        self.epochs += observation.epochs
        # A longer training beats a shorter one; at the same level the fitter wins, and a failure never does.
        if observation.score.ok and (level, observation.fitness) > self._best:
            self._best = level, observation.fitness
            self._best_of = proposal.architecture, observation.score.value
        self.steps.append(self._step(key, observation, guide))
        return observation

    def _step(self, key: tuple[str, int], observation: Observation, guide: Guide) -> Step:
        best, value = self._best_of or (None, None)
        return Step(
            *key,
            observation.score.value if observation.score.ok else None,
            observation.score.status.value,
            self.epochs + guide.epochs,
            self.seconds + guide.seconds,
            best,
            value,
            None if best is None else self._objective.truth.get(best),
            observation.cost if math.isfinite(observation.cost) else None,
        )
