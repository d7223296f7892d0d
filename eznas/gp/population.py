"""The population: breeding, judging and surviving with DEAP's operators."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from deap import base, tools

from eznas.gp import variation
from eznas.gp.deap_random import deap_random
from eznas.gp.individual import Individual, ParetoFitness, TauFitness
from eznas.programs import Node, complexity, cost
from eznas.status import Status

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import Fitness, FitnessEvaluator

__all__ = ["Breeder", "make_toolbox"]

_WEIGHTS = {
    "crossover": 0.30,
    "insert": 0.20,
    "mutate_subtree": 0.12,
    "mutate_terminal": 0.12,
    "mutate_point": 0.08,
    "mutate_aggregation": 0.06,
    "hoist": 0.04,
    "shrink": 0.08,
}
"""How often each way of making an offspring is chosen."""


def make_toolbox(objective: str, tournament: int) -> base.Toolbox:
    """Register selection and variation in a DEAP toolbox.

    Args:
        objective: ``"tau"`` for tournaments; ``"pareto"`` for survival by NSGA-II on tau, complexity and cost, with
            parents drawn uniformly from the survivors.
        tournament: Size of the tournaments.
    """
    toolbox = base.Toolbox()
    if objective == "pareto":
        toolbox.register("fitness", ParetoFitness)
        toolbox.register("survive", tools.selNSGA2)
        toolbox.register("select", tools.selRandom)
    else:
        toolbox.register("fitness", TauFitness)
        toolbox.register("survive", tools.selBest)
        toolbox.register("select", tools.selTournament, tournsize=tournament)
    for name in _WEIGHTS:
        toolbox.register(name, getattr(variation, name))
    return toolbox


class Breeder:
    """Makes, judges and keeps individuals.

    Args:
        evaluator: Judges programs.
        config: Says the objective, the tournaments' size, the price of a node and the limits.
    """

    def __init__(self, evaluator: FitnessEvaluator, config: EvolveConfig) -> None:
        self.toolbox = make_toolbox(config.objective, config.tournament)
        self.statuses: Counter[str] = Counter()
        self.judged = 0
        self._evaluator = evaluator
        self._config = config

    def fits(self, program: Node) -> bool:
        """Whether a program keeps the limits on size and height."""
        return program.size <= self._config.max_size and program.height <= self._config.max_height

    def individuals(self, programs: Sequence[Node]) -> list[Individual]:
        """Judge programs and return an individual for each that has a tau; the others are counted by status."""
        verdicts = self._evaluator.judge(programs) if programs else []
        made: list[Individual] = []
        for program, verdict in zip(programs, verdicts, strict=True):
            self.statuses[verdict.status.value] += 1
            if verdict.status is Status.OK:
                made.append(self._make(program, verdict))
        self.judged += len(programs)
        return made

    def _make(self, program: Node, verdict: Fitness) -> Individual:
        objectives: tuple[float, ...] = (verdict.tau_train - self._config.parsimony * program.size,)
        if self._config.objective == "pareto":
            objectives = (verdict.tau_train, float(complexity(program)), cost(program))
        return Individual.make(
            program,
            (verdict.tau_train, verdict.tau_validation),
            verdict.key,
            self.toolbox.fitness(),
            objectives,
        )

    def offspring(
        self, rng: random.Random, population: Sequence[Individual], count: int, reductions: Sequence[Node]
    ) -> list[Node]:
        """Breed programs that keep the limits and are not in the population."""
        taken = {individual.program for individual in population}
        names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        with deap_random(rng):
            parents = self.toolbox.select(population, k=4 * count)
        bred: dict[Node, None] = {}
        for first, second in zip(parents[::2], parents[1::2], strict=True):
            child = self._child(rng, rng.choices(names, weights)[0], first.program, second.program, reductions)
            if child not in taken and self.fits(child):
                bred[child] = None
            if len(bred) == count:
                break
        return list(bred)

    def _child(self, rng: random.Random, way: str, first: Node, second: Node, reductions: Sequence[Node]) -> Node:
        operator: Callable[..., Node] = getattr(self.toolbox, way)
        if way == "crossover":
            return operator(rng, first, second)
        if way in ("mutate_point", "mutate_aggregation", "hoist", "shrink"):
            return operator(rng, first)
        return operator(rng, first, reductions)

    def survivors(self, rng: random.Random, individuals: Sequence[Individual], count: int) -> list[Individual]:
        """Choose who lives on, after dropping all but the simplest of those that rank the networks alike."""
        simplest: dict[bytes, Individual] = {}
        for individual in individuals:
            rival = simplest.get(individual.key)
            if rival is None or individual.program.size < rival.program.size:
                simplest[individual.key] = individual
        distinct = list(simplest.values())
        with deap_random(rng):
            chosen: list[Individual] = self.toolbox.survive(distinct, min(count, len(distinct)))
        return chosen
