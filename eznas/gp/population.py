"""The population: variation, evaluation and DEAP's selections."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from deap import tools

from eznas.gp import variation
from eznas.gp.deap_random import deap_random
from eznas.gp.individual import Individual, ParetoFitness, TauFitness, tasks_fitness
from eznas.gp.lexicase import lexicase
from eznas.measures.registry import measure_prices
from eznas.programs import Node, cost, network_leaves
from eznas.status import Status

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import Fitness, FitnessEvaluator


_OPERATORS: dict[Callable[..., Node], float] = {
    variation.crossover: 0.30,
    variation.insert: 0.20,
    variation.mutate_subtree: 0.12,
    variation.mutate_terminal: 0.12,
    variation.mutate_point: 0.08,
    variation.mutate_aggregation: 0.06,
    variation.hoist: 0.04,
    variation.shrink: 0.08,
}
"""Operators of variation, which programs of three floors have of their own, with their probabilities."""

_OF_REDUCTIONS = (variation.insert, variation.mutate_subtree, variation.mutate_terminal)
"""Operators that draw from the library's reductions and from the leaves of the network floor."""


class Breeder:
    """Breeds, evaluates and selects individuals: by tournaments, by lexicase, or by NSGA-II.

    Args:
        evaluator: Evaluates programs.
        config: The objective, the tournaments' size, the parsimony and the limits.

    Attributes:
        cost_limit: Greatest ``cost`` of a program.
        statuses: Programs evaluated so far by status.
        evaluated: The number of programs evaluated so far.
    """

    def __init__(self, evaluator: FitnessEvaluator, config: EvolveConfig) -> None:
        self.cost_limit = math.inf
        self.statuses: Counter[str] = Counter()
        self.evaluated = 0
        self._evaluator = evaluator
        self._config = config
        self._nsga2 = config.objective != "tau"

    def select(self, population: Sequence[Individual], count: int) -> list[Individual]:
        """Select parents with DEAP; under NSGA-II, all survivors are parents alike."""
        if self._nsga2:
            return list(tools.selRandom(population, count))
        if self._config.fitness == "lexicase":
            return lexicase(population, count)
        return list(tools.selTournament(population, count, self._config.tournament))

    def fits(self, program: Node) -> bool:
        """Whether a program keeps the limits on size, height and cost."""
        small = program.size <= self._config.max_size and program.height <= self._config.max_height
        return small and (self.cost_limit == math.inf or self._cost(program) <= self.cost_limit)

    def individuals(self, programs: Sequence[Node]) -> list[Individual]:
        """Evaluate programs and return an individual for each that has a tau; all are counted by status."""
        evaluated = self._evaluator.evaluate(programs) if programs else []
        self.statuses.update(fitness.status.value for fitness in evaluated)
        self.evaluated += len(programs)
        return [
            self._individual(program, fitness)
            for program, fitness in zip(programs, evaluated, strict=True)
            if fitness.status is Status.OK
        ]

    def _burden(self, individual: Individual) -> tuple[float, int]:
        """Order programs that rank the networks alike: by cost where that is an objective, then by size."""
        cheap = self._config.objective == "pareto"
        return (self._cost(individual.program) if cheap else 0.0, individual.program.size)

    @staticmethod
    def _cost(program: Node) -> float:
        return cost(program, measure_prices(network_leaves([program])))

    def _individual(self, program: Node, fitness: Fitness) -> Individual:
        if self._config.objective == "pareto":
            selected = ParetoFitness((fitness.tau_train, float(program.size), self._cost(program)))
        elif self._config.objective == "tasks":
            selected = tasks_fitness(len(fitness.tasks))(fitness.tasks)
        else:
            selected = TauFitness((fitness.tau_train - self._config.parsimony * program.size,))
        return Individual(program, fitness.tau_train, fitness.tau_validation, fitness.tasks, fitness.key, selected)

    def offspring(
        self,
        rng: random.Random,
        population: Sequence[Individual],
        count: int,
        reductions: Sequence[Node],
        leaves: Sequence[Node] = (),
    ) -> dict[Node, tuple[str, tuple[Node, ...]]]:
        """Breed programs that keep the limits and are not in the population.

        Returns:
            For each program, the operator and the parents.
        """
        taken = {individual.program for individual in population}
        operators, weights = list(_OPERATORS), list(_OPERATORS.values())
        with deap_random(rng):
            parents = self.select(population, 4 * count)
        bred: dict[Node, tuple[str, tuple[Node, ...]]] = {}
        for first, second in zip(parents[::2], parents[1::2], strict=True):
            operator = rng.choices(operators, weights)[0]
            if operator is variation.crossover:
                mated: tuple[Node, ...] = (first.program, second.program)
                child = operator(rng, *mated)
            else:
                mated = (first.program,)
                child = operator(rng, first.program, *([reductions, leaves] if operator in _OF_REDUCTIONS else []))
            if child not in taken and self.fits(child):
                bred.setdefault(child, (operator.__name__, mated))
            if len(bred) == count:
                break
        return bred

    def survivors(self, rng: random.Random, individuals: Sequence[Individual], count: int) -> list[Individual]:
        """Select the next population; of individuals that rank the networks alike, only the simplest takes part."""
        simplest: dict[bytes, Individual] = {}
        for individual in individuals:
            rival = simplest.get(individual.key)
            if rival is None or self._burden(individual) < self._burden(rival):
                simplest[individual.key] = individual
        distinct = list(simplest.values())
        with deap_random(rng):
            return list((tools.selNSGA2 if self._nsga2 else tools.selBest)(distinct, min(count, len(distinct))))

    def state(self) -> dict[str, Any]:
        """Return the counts, ready for JSON."""
        return {"statuses": dict(self.statuses), "evaluated": self.evaluated, "cost_limit": self.cost_limit}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the counts that ``state`` returned."""
        self.statuses, self.evaluated = Counter(state["statuses"]), state["evaluated"]
        self.cost_limit = state["cost_limit"]
