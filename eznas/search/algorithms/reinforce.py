"""REINFORCE: a controller of independent choices, pushed towards what gave more than usual.

The controller is one softmax a place of the architecture's string, as in the baselines of [NB201]. What can
stand at a place is learned from a sample of the domain.

References:
    [REINFORCE] Williams. Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
        Learning. Machine Learning 8, 1992.
    [NB201] Dong, Yang. NAS-Bench-201. ICLR 2020.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from eznas.errors import InputError
from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.search.signals import Observation

__all__ = ["Reinforce"]

_WORD = re.compile(r"(\w+)")
_SAMPLE = 200
_TRIES = 50
_RATE = 0.1
_MEMORY = 0.9


class Reinforce(Searcher):
    """Draws every choice from its softmax, and moves the softmax by reward less baseline.

    With the softmax ``p`` of a place and its choice as the one-hot ``e``, the step on the logits is
    ``rate * advantage * (e - p)``; the advantage is the fitness less its moving average, in moving standard
    deviations. An architecture is looked at once. Warm-up begins with the frequencies among its best architectures.
    """

    pool: ClassVar[int] = 64

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._choices: list[list[str]] = []
        self._logits: dict[int, NDArray[np.float64]] = {}
        self._mean, self._square, self._told = 0.0, 0.0, 0
        self._seen: set[str] = set()

    def ask(self) -> Proposal | None:
        """Draw an architecture from the controller; a random one where it draws none that is new."""
        if not self._choices:
            self._begin()
        parts = [choices[0] for choices in self._choices]
        weights = {place: _softmax(logits).tolist() for place, logits in self._logits.items()}
        for _ in range(_TRIES):
            for place, chances in weights.items():
                parts[place] = self.task.rng.choices(self._choices[place], weights=chances)[0]
            architecture = self._parsed("".join(parts))
            if architecture is not None and architecture not in self._seen:
                return Proposal(architecture)
        fresh = self.task.domain.fresh(self.task.rng, self._seen)
        return None if fresh is None else Proposal(fresh)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Move the controller; a failure moves nothing."""
        self._seen.add(proposal.architecture)
        advantage = self._advantage(observation.fitness)
        parts = _WORD.split(proposal.architecture)
        if not advantage or len(parts) != len(self._choices):
            return
        for place, logits in self._logits.items():
            if parts[place] in self._choices[place]:
                step = -_softmax(logits)
                step[self._choices[place].index(parts[place])] += 1.0
                self._logits[place] = logits + _RATE * advantage * step

    def _begin(self) -> None:
        """Learn what can stand where, and begin with the frequencies of the warm-up's best."""
        warm = [one for one in (self.warmed() for _ in range(self.size)) if one is not None]
        sample = [self.task.domain.sample(self.task.rng) for _ in range(_SAMPLE)]
        split = [_WORD.split(one) for one in [*warm, *sample]]
        length = len(split[-1])
        alike = [parts for parts in split if len(parts) == length]
        self._choices = [sorted(set(place)) for place in zip(*alike, strict=True)]
        best = [_WORD.split(one) for one in warm]
        self._logits = {
            place: np.log([1.0 + sum(parts[place : place + 1] == [choice] for parts in best) for choice in choices])
            for place, choices in enumerate(self._choices)
            if len(choices) > 1
        }

    def _parsed(self, text: str) -> str | None:
        """Return the architecture of a text; None where it is none of the domain."""
        try:
            architecture = text if text in self._seen else self.task.domain.space.parse(text)
        except InputError:
            return None
        return architecture if architecture in self.task.domain else None

    def _advantage(self, fitness: float) -> float:
        if fitness == -math.inf:
            return 0.0
        self._told += 1
        keep = min(_MEMORY, 1.0 - 1.0 / self._told)  # a plain mean at first
        before = self._mean
        self._mean = keep * self._mean + (1 - keep) * fitness
        self._square = keep * self._square + (1 - keep) * (fitness - before) * (fitness - self._mean)
        deviation = math.sqrt(max(self._square, 0.0))
        return (fitness - before) / deviation if deviation and self._told > 1 else 0.0


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


ALGORITHMS.register(
    Algorithm(
        "reinforce",
        "Williams. Simple Statistical Gradient-Following Algorithms. Machine Learning 1992",
        "draws from a controller that is pushed towards what gave more than usual",
        Reinforce,
    )
)
