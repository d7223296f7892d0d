"""BANANAS: Bayesian optimisation with a model of the fitness over mutations of the best or other candidates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.search.acquisition import ACQUISITIONS
from eznas.search.candidates import BATCH, CandidatePlan
from eznas.search.fitness_model import PredictorModel, SurrogateModel
from eznas.search.protocol import Proposal, SearchContext, Searcher, register_algorithm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.search.fitness_model import FitnessModel
    from eznas.search.signals import Observation


@register_algorithm(
    "bananas",
    "White, Neiswanger, Savani. BANANAS. AAAI 2021",
    "Thompson sampling over mutations of the best, with an ensemble as surrogate",
    moves=True,
    model=True,
)
class Bananas(Searcher):
    """Fits a model to all observations and queries the candidates with the highest acquisition."""

    pool = 10
    surrogate = "networks"
    acquisition = "its"
    parents = 10
    """Number of best architectures whose mutations are candidates."""

    def __init__(self, context: SearchContext) -> None:
        super().__init__(context)
        config = context.config
        self._model: FitnessModel
        self._acquisition = ACQUISITIONS[config.acquisition or self.acquisition]
        if context.predictor is None:
            self._model = SurrogateModel(config.surrogate or self.surrogate, config.encoding)
        else:
            predictor = context.predictor()
            if predictor.states_deviation() is False:
                self._check_acquisition()
            self._model = PredictorModel(predictor)
        self.model_costs = self._model.costs
        self._plan = CandidatePlan.parse(config.candidates)
        self._known: dict[str, float] = {}
        self._functions: dict[str, str] | None = None
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
        """Return the most promising candidates, the best last; any candidates where no model can be fitted."""
        valued = {architecture: fitness for architecture, fitness in self._known.items() if fitness > -math.inf}
        candidates = self._candidates(sorted(valued, key=valued.__getitem__, reverse=True))
        values = self._values(valued, candidates) if len(valued) >= self._model.labels and candidates else None
        if values is None:
            if self._plan.kind == "all":
                return self.context.rng.sample(candidates, min(BATCH, len(candidates)))
            return candidates[:BATCH]
        order = np.argsort(values, kind="stable")
        return [candidates[index] for index in order[-BATCH:]]

    def _values(self, valued: dict[str, float], candidates: list[str]) -> NDArray[np.float64] | None:
        """Return the acquisition of each candidate, minus infinity without a prediction; None after a failed fit."""
        seed = self.context.rng.getrandbits(32)
        architectures, fitness = [*valued], np.array([*valued.values()])
        best = float(fitness.max())
        if self._acquisition.resampled:
            places = [self.context.rng.randrange(len(architectures)) for _ in architectures]
            architectures, fitness = [architectures[place] for place in places], fitness[places]
        predicted = self._model.fit_predict(architectures, fitness, candidates, seed)
        if predicted is None:
            return None
        mean, deviation = predicted
        if deviation is None:
            self._check_acquisition()
        spread = np.zeros_like(mean) if deviation is None else deviation
        values = self._acquisition.value(mean, spread, best, self.context.rng)
        return np.where(np.isfinite(values), values, -np.inf)

    def _check_acquisition(self) -> None:
        """Refuse an acquisition that reads standard deviations, which the predictor does not state."""
        if self._acquisition.deviation:
            free = ", ".join(name for name in ACQUISITIONS if not ACQUISITIONS[name].deviation)
            raise InputError(
                f"the acquisition {self._acquisition.name} needs a predictor that states standard deviations, "
                f"{self.context.config.predictor} states none; choose one of {free}",
                parameters=("acquisition", "predictor"),
            )

    def _candidates(self, best: list[str]) -> list[str]:
        """Return new architectures by the plan; random ones are added to edits that are too few for a round."""
        if self._plan.kind == "all":
            return self._untried()
        candidates: dict[str, None] = {}
        edits = self._plan.count if self._plan.kind == "edits" else 0
        for turn in range(2 * edits):
            if not best or len(candidates) == edits:
                break
            child = self.context.guide.mutate(best[turn % min(self.parents, len(best))])
            if child not in self._known:
                candidates[child] = None
        while len(candidates) < (BATCH if edits else self._plan.count):
            fresh = self.context.domain.fresh(self.context.rng, self._known.keys() | candidates)
            if fresh is None:
                break
            candidates[fresh] = None
        return list(candidates)

    def _untried(self) -> list[str]:
        """Return one architecture of each function without a query; where none is left, all without a query.

        A ranking of the whole space would otherwise spend its queries on copies of the best function.
        """
        if self._functions is None:
            domain = self.context.domain
            self._functions = {one: domain.space.canonical(one) for one in domain.listed or ()}
        queried = {self._functions[one] for one in self._known}
        first: dict[str, str] = {}
        for one, function in self._functions.items():
            if function not in queried:
                first.setdefault(function, one)
        return [*first.values()] or [one for one in self._functions if one not in self._known]
