"""Proxy warm-up and move proposal: the two ways in which a cheap proxy leads any search.

Warm-up scores many random architectures and hands the best to the algorithm, as its pool or as what it begins
with. A move takes, with some probability, the best of all candidates by the proxy instead of a random one.

References:
    [ZCNAS] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight NAS. ICLR 2021. There 3,000
        architectures warm up, and 0.75 is the probability of a guided move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from eznas.search.domain import Domain
    from eznas.search.signals import Observation, Signal

__all__ = ["Guide"]


class Guide:
    """Leads a search by a proxy; without one it only draws at random.

    Within one run every architecture is scored, and charged for, once.

    Args:
        domain: What may be proposed.
        rng: The stream that everything is drawn from.
        proxy: The proxy; None for no guidance.
        warmup: How many random architectures warm-up scores.
        move: Probability that a move is guided.

    Attributes:
        seconds: What scoring has cost so far.
        epochs: Epochs that it has trained so far, where the proxy is a short training.
        scored: How many architectures were scored so far.
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
        """Score the warm-up's architectures and return those that have a score, the best first."""
        drawn = dict.fromkeys(self._domain.sample(self._rng) for _ in range(self._warmup))
        fitness = dict(zip(drawn, self._fitness(list(drawn)), strict=True))
        scored = [architecture for architecture in fitness if fitness[architecture] > -math.inf]
        return sorted(scored, key=fitness.__getitem__, reverse=True)

    def pick(self, candidates: Sequence[str]) -> str:
        """Choose one of the candidates: the best by the proxy, or any."""
        if self._move and self._rng.random() < self._move:
            fitness = self._fitness(candidates)
            best = max(fitness)
            if best > -math.inf:  # a failure never wins
                return candidates[fitness.index(best)]
        return self._rng.choice(candidates)

    def mutate(self, architecture: str) -> str:
        """Return an architecture that is one edit away: the best by the proxy, or any."""
        if not self._move:
            return self._domain.mutate(architecture, self._rng)
        near = self._domain.neighbours(architecture)
        return self.pick(near) if near else self._domain.sample(self._rng)

    def _fitness(self, architectures: Sequence[str]) -> list[float]:
        if self._proxy is None:
            return [-math.inf] * len(architectures)
        new = [one for one in architectures if one not in self._known]
        if new:
            self._charge(dict(zip(new, self._proxy.observe(new), strict=True)))
        return [self._known[one] for one in architectures]

    def _charge(self, observed: dict[str, Observation]) -> None:
        self.scored += len(observed)
        self.seconds += sum(one.seconds for one in observed.values())
        self.epochs += sum(one.epochs for one in observed.values())
        self._known |= {architecture: one.fitness for architecture, one in observed.items()}
