"""Signals: what a search climbs or is guided by, and what one look at an architecture costs.

A signal is a column of a table, a file of scores, a measure or program that is computed on the network, or a
combination of these. All are asked in the same way; a failure is a status, whose fitness is below every value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.scoring import Condition, Executor, Proxy

__all__ = ["ComputedSignal", "Observation", "Signal", "TabularSignal"]

_CHUNK = 50
"""Networks that are scored before their scores are recorded: what an interruption costs at most."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at an architecture gave, and what it cost.

    Args:
        score: The value, as it is, or a status.
        seconds: Simulated seconds of training, or measured seconds of scoring.
        epochs: Trained epochs; 0 for a proxy.
        fitness: The value, or its negative where less is better; minus infinity for a failure.
        cost: The second objective, to be kept small; NaN where there is none.
    """

    score: Score
    seconds: float = 0.0
    epochs: float = 0.0
    fitness: float = -math.inf
    cost: float = math.nan

    @classmethod
    def of(cls, score: Score, seconds: float = 0.0, epochs: float = 0.0, direction: int = 1) -> Observation:
        """Wrap a score, with the fitness that follows from it."""
        return cls(score, seconds, epochs, direction * score.value if score.ok else -math.inf)


class Signal(Protocol):
    """Anything that can be asked for values of architectures."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def epochs(self) -> float:
        """Trained epochs of one observation; 0 for a proxy."""

    @property
    def timed(self) -> bool:
        """Whether it knows what an observation costs in seconds."""

    @property
    def direction(self) -> int:
        """1 where more is better, -1 where less is."""

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Return one observation an architecture, in order."""


class TabularSignal:
    """Values that were computed before: a column of a table, or a file of scores.

    Args:
        name: What reports call it.
        values: By architecture; what is not finite is a failure.
        seconds: By architecture; None where they are not known.
        epochs: Trained epochs of each value; 0 for a proxy.
        direction: 1 where more is better, -1 where less is.
    """

    def __init__(
        self,
        name: str,
        values: Mapping[str, float],
        seconds: Mapping[str, float] | None = None,
        epochs: float = 0.0,
        direction: int = 1,
    ) -> None:
        self.name = name
        self.values = values
        self.epochs = epochs
        self.timed = seconds is not None
        self.direction = direction
        self._seconds = seconds or {}

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Look the architectures up; one that is missing is a failure."""
        return [self._one(architecture) for architecture in architectures]

    def _one(self, architecture: str) -> Observation:
        value = self.values.get(architecture)
        if value is None:
            score = Score.failed(Status.EXCEPTION, f"{self.name} has no value for {architecture}")
        else:
            score = Score.of(value)
        return Observation.of(score, self._seconds.get(architecture, 0.0), self.epochs, self.direction)


class ComputedSignal:
    """A measure or program, computed on the network; every network is scored once and remembered.

    Args:
        proxy: What to compute.
        condition: How networks are built and run.
        direction: 1 where more is better, -1 where less is.
        executor: Runs the networks.
        record: Is told of every new score: architecture, observation.
    """

    epochs = 0.0
    timed = True

    def __init__(
        self,
        proxy: Proxy,
        condition: Condition,
        *,
        direction: int = 1,
        executor: Executor,
        record: Callable[[str, Observation], None] = lambda _architecture, _observation: None,
    ) -> None:
        self.name = proxy.name
        self._proxy = proxy
        self._condition = condition
        self.direction = direction
        self._executor = executor
        self._record = record
        self._known: dict[str, Observation] = {}

    def remember(self, architecture: str, score: Score, seconds: float) -> None:
        """Take a score that was computed before, as when a run goes on."""
        self._known[architecture] = Observation.of(score, seconds, 0.0, self.direction)

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Score the networks that are new; each costs the seconds that it took when it was scored."""
        new = [one for one in dict.fromkeys(architectures) if one not in self._known]
        for start in range(0, len(new), _CHUNK):
            self._score(new[start : start + _CHUNK])
        return [self._known[architecture] for architecture in architectures]

    def _score(self, architectures: Sequence[str]) -> None:
        from eznas.scoring import score_networks

        matrix = score_networks([self._proxy], self._condition, architectures, self._executor)
        for architecture, score, seconds in zip(architectures, matrix.scores[0], matrix.seconds, strict=True):
            self.remember(architecture, score, seconds)
            self._record(architecture, self._known[architecture])
