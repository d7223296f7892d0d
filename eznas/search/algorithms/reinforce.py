"""REINFORCE: a controller of independent choices, trained by policy gradient.

The controller has one softmax per position of the architecture's string, as in the baselines of NAS-Bench-201. The
choices at a position are those in a sample of the domain.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.search.signals import Observation


_WORD = re.compile(r"(\w+)")
_SAMPLE = 200
_TRIES = 50
_RATE = 0.1
_MEMORY = 0.9


@register_algorithm(
    "reinforce",
    "Williams. Simple Statistical Gradient-Following Algorithms. Machine Learning 1992",
    "draws from a controller that is trained by policy gradient",
)
class Reinforce(Searcher):
    """Draws each choice from its softmax, and updates the softmax by the advantage.

    With the softmax ``p`` of a position and its choice as the one-hot ``e``, the step on the logits is
    ``rate * advantage * (e - p)``; the advantage is the fitness minus its moving average, in moving standard
    deviations. Architectures are drawn without replacement. After a warm-up, the controller starts from the
    frequencies among the best architectures.
    """

    pool = 64

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._choices: list[list[str]] = []
        self._logits: dict[int, NDArray[np.float64]] = {}
        self._mean, self._square, self._told = 0.0, 0.0, 0
        self._seen: set[str] = set()

    def ask(self) -> Proposal | None:
        """Draw a new architecture from the controller; a random one if the controller draws none."""
        if not self._choices:
            self._start()
        parts = [choices[0] for choices in self._choices]
        weights = {position: _softmax(logits).tolist() for position, logits in self._logits.items()}
        for _ in range(_TRIES):
            for position, chances in weights.items():
                parts[position] = self.context.rng.choices(self._choices[position], weights=chances)[0]
            architecture = self._parsed("".join(parts))
            if architecture is not None and architecture not in self._seen:
                return Proposal(architecture)
        fresh = self.context.domain.fresh(self.context.rng, self._seen)
        return None if fresh is None else Proposal(fresh)

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Update the controller, except for a failure."""
        self._seen.add(proposal.architecture)
        advantage = self._advantage(observation.fitness)
        parts = _WORD.split(proposal.architecture)
        if not advantage or len(parts) != len(self._choices):
            return
        for position, logits in self._logits.items():
            if parts[position] in self._choices[position]:
                step = -_softmax(logits)
                step[self._choices[position].index(parts[position])] += 1.0
                self._logits[position] = logits + _RATE * advantage * step

    def _start(self) -> None:
        """Collect the choices of each position, and start from the frequencies of the warm-up's best."""
        warm = [architecture for architecture in (self.warmed() for _ in range(self.size)) if architecture]
        sample = [self.context.domain.sample(self.context.rng) for _ in range(_SAMPLE)]
        split = [_WORD.split(architecture) for architecture in [*warm, *sample]]
        length = len(split[-1])
        same_length = [parts for parts in split if len(parts) == length]
        self._choices = [sorted(set(choices)) for choices in zip(*same_length, strict=True)]
        best = split[: len(warm)]
        self._logits = {
            position: np.log(
                [1.0 + sum(parts[position : position + 1] == [choice] for parts in best) for choice in choices]
            )
            for position, choices in enumerate(self._choices)
            if len(choices) > 1
        }

    def _parsed(self, text: str) -> str | None:
        """Return the architecture of a text; None if it is outside the domain."""
        try:
            architecture = text if text in self._seen else self.context.domain.space.parse(text)
        except InputError:
            return None
        return architecture if architecture in self.context.domain else None

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
