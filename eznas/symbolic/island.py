"""One population: some generations between two migrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.programs import parse
from eznas.seeds import numpy_rng
from eznas.status import Status
from eznas.symbolic.evaluation import task_ranks
from eznas.symbolic.graph import Graph
from eznas.symbolic.hall import Hall, Member
from eznas.symbolic.operators import Language
from eznas.symbolic.population import Counts, Population
from eznas.symbolic.variation import children

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.symbolic.graph import Ids
    from eznas.symbolic.population import Rules


_PROMOTED = 1 / 128
"""Largest share of the children that are evaluated on all architectures."""

_LEAST_PROMOTED = 8
"""Children that are evaluated on all architectures where that share has fewer."""


def run_epoch(
    rules: Rules, island: int, epoch: int, population: Population, generations: int
) -> tuple[Population, Hall, Counts]:
    """Breed some generations from a population.

    The result depends on the arguments alone. Each epoch draws its racing architectures anew, so that a program that
    only fits those of one epoch does not last.

    Args:
        rules: Data and limits.
        island: The number of the island, which its random stream depends on.
        epoch: The number of the epoch, likewise.
        population: The programs to begin with.
        generations: Generations to breed.

    Returns:
        The population, the best program of each size among those evaluated on all architectures, and the counts.
    """
    bred = _Island(rules, numpy_rng(rules.seed, "scores", island, epoch), population)
    for _ in range(generations):
        bred.step()
    return bred.population(), bred.hall, bred.counts


@dataclass
class _Evaluated:
    """Nodes of the graph with their figures on all architectures."""

    nodes: Ids
    train: NDArray[np.float64]
    keys: tuple[bytes, ...]


class _Island:
    def __init__(self, rules: Rules, rng: np.random.Generator, population: Population) -> None:
        self.hall, self.counts = Hall(), Counts()
        self._rules, self._rng = rules, rng
        leaves, self._racing = rules.evaluation.racing(rng)
        self._graph = Graph(Language(rules.columns), leaves)
        nodes = self._graph.add_trees([parse(program) for program in population.programs])
        self._living = _Evaluated(nodes, population.train, population.keys)
        self._select()
        nodes = self._living.nodes
        ranks = task_ranks(self._graph.values(nodes), self._racing.counts)
        sizes = self._graph.size[nodes].tolist()
        self._raced = {row.tobytes(): size for row, size in zip(ranks, sizes, strict=True)}

    def population(self) -> Population:
        """Return the living programs as text, the fittest first."""
        living = self._living
        texts = tuple(self._graph.tree(int(node)).text for node in living.nodes)
        return Population(texts, living.train, living.keys)

    def step(self) -> None:
        """Breed, race, evaluate and select."""
        rules, living = self._rules, self._living
        fitness = self._fitness(living)
        first, second = (
            living.nodes[rules.fitness.parents(living.train, fitness, rules.offspring, rules.tournament, self._rng)]
            for _ in range(2)
        )
        known = len(self._graph)
        made = children(self._graph, first, second, self._rng, rules.max_size)
        promoted, raced = self._race(made[made >= known])  # the others are parts of the population
        bred = self._evaluate(promoted)
        difference = rules.fitness.over_tasks(bred.train) - raced
        self.counts.squared_errors += float((difference[np.isfinite(difference)] ** 2).sum())
        self._living = _Evaluated(
            np.concatenate([living.nodes, bred.nodes]),
            np.concatenate([living.train, bred.train]),
            living.keys + bred.keys,
        )
        self._select()

    def _race(self, made: Ids) -> tuple[Ids, NDArray[np.float64]]:
        """Return the children that are promoted to all architectures, and their fitness on the racing ones."""
        scores = self._graph.values(made)
        finite = np.isfinite(scores).all(axis=1)
        fitness = self._rules.fitness.over_tasks(self._racing.taus(scores[finite]))
        ranked = np.isfinite(fitness)
        counts = {Status.NON_FINITE: ~finite, Status.CONSTANT: ~ranked, Status.OK: ranked}
        self.counts.statuses.update({status.value: int(flags.sum()) for status, flags in counts.items()})
        self.counts.raced += int(finite.sum())
        places, fitness = np.flatnonzero(finite)[ranked], fitness[ranked]
        size = self._graph.size[made[places]]
        count = max(_LEAST_PROMOTED, round(self._rules.offspring * _PROMOTED))
        order = np.argsort(self._rules.parsimony * size - fitness, kind="stable")[: 2 * count]
        chosen: list[int] = []
        ranks = task_ranks(scores[places[order]], self._racing.counts)
        for index, row in zip(order.tolist(), ranks, strict=True):
            key = row.tobytes()
            if len(chosen) < count and size[index] < self._raced.get(key, size[index] + 1):
                self._raced[key] = size[index]
                chosen.append(index)
        return made[places[chosen]], fitness[chosen]

    def _evaluate(self, nodes: Ids) -> _Evaluated:
        """Evaluate programs on all training architectures, and those that the hall may take on the validation ones."""
        over_tasks, sizes = self._rules.fitness.over_tasks, self._graph.size[nodes]
        taus, keys = self._rules.evaluation.training(self._graph, nodes)
        train = over_tasks(taus)
        hopeful = [index for index, tau in enumerate(train) if tau > self.hall.worth(int(sizes[index]))]
        validation = over_tasks(self._rules.evaluation.validation(self._graph, nodes[hopeful]))
        for index, tau in zip(hopeful, validation.tolist(), strict=True):
            if min(float(train[index]), tau) > self.hall.worth(int(sizes[index])):
                text = self._graph.tree(int(nodes[index])).text
                self.hall.update([Member(text, int(sizes[index]), float(train[index]), tau)])
        self.counts.evaluated += len(nodes)
        return _Evaluated(nodes, taus, keys)

    def _select(self) -> None:
        """Keep the best programs; of those that rank the training architectures alike, the smallest."""
        living = self._living
        fitness, sizes = self._fitness(living), self._graph.size[living.nodes]
        smallest: dict[bytes, int] = {}
        for index in np.argsort(sizes, kind="stable").tolist():
            if np.isfinite(fitness[index]):
                smallest.setdefault(living.keys[index], index)
        distinct = np.array(sorted(smallest.values()), np.int64)
        kept = distinct[self._rules.fitness.best(living.train[distinct], fitness[distinct], self._rules.population)]
        keys = tuple(living.keys[index] for index in kept)
        self._living = _Evaluated(self._graph.keep(living.nodes[kept]), living.train[kept], keys)

    def _fitness(self, programs: _Evaluated) -> NDArray[np.float64]:
        """Return the fitness less the parsimony."""
        penalty = self._rules.parsimony * self._graph.size[programs.nodes]
        return np.asarray(self._rules.fitness.over_tasks(programs.train) - penalty)
