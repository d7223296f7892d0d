"""BANANAS: Bayesian optimisation with an ensemble, and independent Thompson sampling over mutations of the best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eznas.predictors.encodings.words import GrowingEncoder
from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm
from eznas.search.surrogate import SURROGATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.search.signals import Observation


_BATCH = 10
"""Queries between two fits."""
_CANDIDATES = 100


@register_algorithm(
    "bananas",
    "White, Neiswanger, Savani. BANANAS. AAAI 2021",
    "Thompson sampling over mutations of the best, with an ensemble as surrogate",
    moves=True,
)
class Bananas(Searcher):
    """Fits an ensemble to all observations and queries the candidates with the highest Thompson samples."""

    pool = 10
    surrogate = "networks"
    parents = 10
    """Number of best architectures whose mutations are candidates."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        self._surrogate = SURROGATES[context.config.surrogate or self.surrogate]
        self._encoder = GrowingEncoder(context.config.encoding)
        self._known: dict[str, float] = {}
        self._batch: list[str] = []

    def ask(self) -> Proposal | None:
        """Propose initial architectures for the first fit, then promising candidates."""
        if len(self._known) < self.size:
            return self.start(self._known)
        if not self._batch:
            self._batch = self._promising()
        return Proposal(self._batch.pop()) if self._batch else None

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        """Keep the observation for the next fit."""
        self._known[proposal.architecture] = observation.fitness

    def _promising(self) -> list[str]:
        """Return the most promising candidates, the best last."""
        valued = {architecture: fitness for architecture, fitness in self._known.items() if fitness > -math.inf}
        candidates = self._candidates(sorted(valued, key=valued.__getitem__, reverse=True))
        if len(valued) < 2:  # noqa: PLR2004 - nothing to learn from
            return candidates[:_BATCH]
        rows = self._encoder.rows([*valued, *candidates])
        model = self._surrogate()
        model.fit(rows[: len(valued)], np.array(list(valued.values())), self.context.rng.getrandbits(32))
        mean, deviation = model.predict(rows[len(valued) :])
        order = np.argsort(self._acquire(mean, deviation), kind="stable")
        return [candidates[index] for index in order[-_BATCH:]]

    def _candidates(self, best: list[str]) -> list[str]:
        """Return new architectures: mutations of the best, and random ones if these are too few."""
        candidates: dict[str, None] = {}
        for turn in range(2 * _CANDIDATES):
            if not best or len(candidates) == _CANDIDATES:
                break
            child = self.context.guide.mutate(best[turn % min(self.parents, len(best))])
            if child not in self._known:
                candidates[child] = None
        while len(candidates) < _BATCH:
            fresh = self.context.domain.fresh(self.context.rng, self._known.keys() | candidates)
            if fresh is None:
                break
            candidates[fresh] = None
        return list(candidates)

    def _acquire(self, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a Thompson sample per candidate: ``mean + deviation * z`` with ``z`` standard normal."""
        normal = np.array([self.context.rng.gauss(0.0, 1.0) for _ in mean])
        return np.asarray(mean + deviation * normal)
