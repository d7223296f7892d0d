"""Proxy warm-up and move proposal: two ways in which a cheap proxy guides any search.

Warm-up scores many random architectures and hands the best to the algorithm as its initial population or its starting
points. A guided move takes, with some probability, the candidate with the best proxy score instead of a random one.

References:
    [ZCNAS] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021. It uses 3,000
        architectures for warm-up, and 0.75 as the probability of a guided move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from eznas.search.domain import Domain
    from eznas.search.signals import Signal


class Guide:
    """Guides a search by a proxy; without a proxy it draws at random.

    Each architecture is scored, and charged for, once per run.

    Args:
        domain: The architectures that may be proposed.
        rng: The stream of all draws.
        proxy: The proxy; None for no guidance.
        warmup: Number of random architectures that warm-up scores.
        move: Probability that a move is guided.

    Attributes:
        seconds: Seconds of scoring so far.
        epochs: Epochs of training so far, if the proxy is a short training.
        scored: Number of architectures scored so far.
    """

    def __init__(
        self, domain: Domain, rng: random.Random, proxy: Signal | None = None, warmup: int = 0, move: float = 0.0
    ) -> None:
        self.seconds = 0.0
        self.epochs = 0.0
        self.scored = 0
        self._domain = domain
        self._rng = rng
        self._proxy = proxy
        self._warmup = warmup if proxy is not None else 0
        self._move = move if proxy is not None else 0.0
        self._known: dict[str, float] = {}

    def warm(self) -> list[str]:
        """Score the architectures of the warm-up and return those with a score, the best first."""
        drawn = dict.fromkeys(self._domain.sample(self._rng) for _ in range(self._warmup))
        fitness = dict(zip(drawn, self._fitness(list(drawn)), strict=True))
        scored = [architecture for architecture in fitness if fitness[architecture] > -math.inf]
        return sorted(scored, key=fitness.__getitem__, reverse=True)

    def pick(self, candidates: Sequence[str]) -> str:
        """Return the candidate with the best proxy score, or a random one."""
        if self._move and self._rng.random() < self._move:
            fitness = self._fitness(candidates)
            best = max(fitness)
            if best > -math.inf:  # a failure is never picked
                return candidates[fitness.index(best)]
        return self._rng.choice(candidates)

    def mutate(self, architecture: str) -> str:
        """Return the neighbour with the best proxy score, or a random one."""
        if not self._move:
            return self._domain.mutate(architecture, self._rng)
        neighbours = self._domain.neighbours(architecture)
        return self.pick(neighbours) if neighbours else self._domain.sample(self._rng)

    def _fitness(self, architectures: Sequence[str]) -> list[float]:
        if self._proxy is None:
            return [-math.inf] * len(architectures)
        new = [architecture for architecture in dict.fromkeys(architectures) if architecture not in self._known]
        observations = self._proxy.observe(new) if new else []
        self.scored += len(observations)
        self.seconds += sum(observation.seconds for observation in observations)
        self.epochs += sum(observation.epochs for observation in observations)
        self._known |= zip(new, (observation.fitness for observation in observations), strict=True)
        return [self._known[architecture] for architecture in architectures]
