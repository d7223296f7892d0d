"""One search: asks the algorithm, looks, tells it, and keeps the accounts.

Every look at an architecture that is new costs one query, its epochs and its seconds; every score that leads the
search costs its seconds, and its epochs where it is a short training. What was looked at before is told again and
costs nothing, unless repeats are counted, as published scripts do.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.search.guide import Guide
    from eznas.search.protocol import Proposal, Searcher
    from eznas.search.signals import Observation, Signal

__all__ = ["Objective", "Run", "SearchBudget", "Step", "search"]

_PATIENCE = 1000
"""Repeats in a row after which an algorithm is taken to have nothing new to propose."""


@dataclass(frozen=True)
class SearchBudget:
    """When a search ends: as soon as any of these is spent. The last look may go beyond seconds and epochs.

    Args:
        queries: Looks.
        seconds: Seconds of training and scoring.
        epochs: Trained epochs.
        repeats: Whether looking again at the same architecture costs a query, and its seconds and epochs.

    Raises:
        InputError: None is given, or one is negative or not a number.
    """

    queries: int | None = None
    seconds: float | None = None
    epochs: float | None = None
    repeats: bool = False

    def __post_init__(self) -> None:
        given = [one for one in (self.queries, self.seconds, self.epochs) if one is not None]
        if not given or not all(one >= 0 for one in given):
            raise InputError(f"a budget must have queries, seconds or epochs, none negative; got {self}")

    def spent(self, queries: int, seconds: float, epochs: float) -> bool:
        """Whether the search has to end."""
        pairs = ((self.queries, queries), (self.seconds, seconds), (self.epochs, epochs))
        return any(limit is not None and used >= limit for limit, used in pairs)


@dataclass(frozen=True)
class Objective:
    """What a search climbs.

    Args:
        levels: The signal at each level of training; the last is the full one.
        against: The second objective, which is kept small; None for one objective.
        truth: Accuracies that are reported; the algorithm sees them only where they are the signal. Empty for none.
    """

    levels: Sequence[Signal]
    against: Signal | None
    truth: Mapping[str, float]

    def observe(self, proposal: Proposal) -> Observation:
        """Look at an architecture."""
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
        architecture: What was looked at.
        value: What the signal gave; None for a failure.
        status: What became of it.
        epochs: Epochs trained so far.
        seconds: Seconds of training and scoring so far.
        best: The best architecture so far; None while everything failed.
        best_value: What the signal gave for it.
        best_accuracy: Its reported accuracy; None where there is none.
        cost: The second objective; None where there is none.
    """

    architecture: str
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
    """One finished search.

    Args:
        steps: One a query.
        ended: Why it ended.
        repeats: How often an architecture was proposed that had been looked at before.
        scored: Architectures that were scored to lead the search.
        score_seconds: What that cost.
    """

    steps: tuple[Step, ...]
    ended: str
    repeats: int
    scored: int
    score_seconds: float

    def record(self) -> dict[str, Any]:
        """Return the run as JSON: what it found, then its steps as parallel lists."""
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
            "ended": self.ended,
            "steps": {name: [column[name] for column in columns] for name in names},
        }


def search(searcher: Searcher, objective: Objective, budget: SearchBudget, guide: Guide, size: int | None) -> Run:
    """Run one search to its end.

    Args:
        searcher: The algorithm, fresh.
        objective: What it climbs.
        budget: When it ends.
        guide: The algorithm's guide, whose seconds are charged.
        size: Number of architectures in the domain; None where they cannot be counted.
    """
    books = _Books(objective)
    while True:
        if budget.spent(len(books.steps), books.seconds + guide.seconds, books.epochs + guide.epochs):
            ended = "budget"
            break
        if not budget.repeats and size is not None and books.complete >= size:
            ended = "every architecture was looked at"
            break
        if books.in_a_row >= _PATIENCE:
            ended = f"{_PATIENCE} repeats in a row"
            break
        proposal = searcher.ask()
        if proposal is None:
            ended = "nothing more to propose"
            break
        searcher.tell(proposal, books.look(proposal, guide, repeats=budget.repeats))
    return Run(tuple(books.steps), ended, books.repeats, guide.scored, guide.seconds)


class _Books:
    """What was seen, what it cost and what was best."""

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

    def look(self, proposal: Proposal, guide: Guide, *, repeats: bool) -> Observation:
        """Look at a proposal, or remember; charge it and keep the best."""
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
        # What was trained longer is known better; among equally trained ones the fitter wins, and a failure never.
        if observation.score.ok and (level, observation.fitness) > self._best:
            self._best = level, observation.fitness
            self._best_of = proposal.architecture, observation.score.value
        self.steps.append(self._step(proposal.architecture, observation, guide))
        return observation

    def _step(self, architecture: str, observation: Observation, guide: Guide) -> Step:
        best, value = self._best_of or (None, None)
        return Step(
            architecture,
            observation.score.value if observation.score.ok else None,
            observation.score.status.value,
            self.epochs + guide.epochs,
            self.seconds + guide.seconds,
            best,
            value,
            None if best is None else self._objective.truth.get(best),
            observation.cost if math.isfinite(observation.cost) else None,
        )
