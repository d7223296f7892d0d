"""Signals: values that a search maximises or that guide it, with their costs.

A signal is a column of a table, a file of scores, a measure or program that is computed on networks, or a combination
of these. A failure is a status; its fitness is below every value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.scoring import Condition, Executor, Proxy


_CHUNK = 50
"""Networks that are scored between two writes to the journal: the most that an interruption loses."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The value of a signal on one architecture, and its cost.

    Args:
        score: The value or a status.
        seconds: Simulated seconds of training, or measured seconds of scoring.
        epochs: Epochs of training; 0 for a proxy.
        fitness: The value, negated if less is better; minus infinity for a failure.
        cost: The second objective, to minimise; NaN if there is none.
    """

    score: Score
    seconds: float = 0.0
    epochs: float = 0.0
    fitness: float = -math.inf
    cost: float = math.nan

    @classmethod
    def of(cls, score: Score, seconds: float = 0.0, epochs: float = 0.0, direction: int = 1) -> Observation:
        """Wrap a score and derive its fitness."""
        return cls(score, seconds, epochs, direction * score.value if score.ok else -math.inf)


class Signal(Protocol):
    """Gives values of architectures."""

    @property
    def name(self) -> str:
        """The name in reports."""

    @property
    def epochs(self) -> float:
        """Epochs of training of one observation; 0 for a proxy."""

    @property
    def timed(self) -> bool:
        """Whether the seconds of every observation are known."""

    @property
    def direction(self) -> int:
        """1 if more is better, -1 if less is better."""

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Return one observation per architecture, in order."""


class TabularSignal:
    """Precomputed values: a column of a table, or a file of scores.

    Args:
        name: The name in reports.
        values: By architecture; non-finite values count as failures.
        seconds: By architecture, finite; None or missing ones are unknown, and are charged as 0.
        epochs: Epochs of training of each value; 0 for a proxy.
        direction: 1 if more is better, -1 if less is better.
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
        self.direction = direction
        self.seconds = {} if seconds is None else seconds

    @cached_property
    def untimed(self) -> int:
        """The number of architectures whose seconds are unknown."""
        return sum(architecture not in self.seconds for architecture in self.values)

    @property
    def timed(self) -> bool:
        """Whether the seconds of every architecture are known."""
        return not self.untimed

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Look the architectures up; a missing one counts as a failure."""
        return [self._observe(architecture) for architecture in architectures]

    def _observe(self, architecture: str) -> Observation:
        value = self.values.get(architecture)
        if value is None:
            score = Score.failed(Status.EXCEPTION, f"{self.name} has no value for {architecture}")
        else:
            score = Score.of(value)
        return Observation.of(score, self.seconds.get(architecture, 0.0), self.epochs, self.direction)


class ComputedSignal:
    """A measure or program that is computed on networks; each network is scored once.

    Args:
        proxy: The measure or program.
        condition: How networks are built and run.
        executor: Runs the networks.
        direction: 1 if more is better, -1 if less is better.

    Attributes:
        known: The observations so far, by architecture; a resumed search fills it in advance.
        record: Is called with each new architecture and observation.
    """

    epochs = 0.0
    timed = True

    def __init__(self, proxy: Proxy, condition: Condition, executor: Executor, direction: int = 1) -> None:
        self.name = proxy.name
        self.direction = direction
        self.known: dict[str, Observation] = {}
        self.record: Callable[[str, Observation], None] = lambda _architecture, _observation: None
        self._proxy = proxy
        self._condition = condition
        self._executor = executor

    def observe(self, architectures: Sequence[str]) -> list[Observation]:
        """Score the networks that are new; an observation keeps the seconds that scoring took."""
        new = [architecture for architecture in dict.fromkeys(architectures) if architecture not in self.known]
        for start in range(0, len(new), _CHUNK):
            self._score(new[start : start + _CHUNK])
        return [self.known[architecture] for architecture in architectures]

    def _score(self, architectures: Sequence[str]) -> None:
        from eznas.scoring import score_networks

        matrix = score_networks([self._proxy], self._condition, architectures, self._executor)
        for architecture, score, seconds in zip(architectures, matrix.scores[0], matrix.seconds, strict=True):
            observation = self.known[architecture] = Observation.of(score, seconds, direction=self.direction)
            self.record(architecture, observation)
