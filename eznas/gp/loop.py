"""The evolution of proxies: start reading here.

A run alternates two kinds of steps. An *expansion* draws new reductions (formulas that make one number of each layer's
tensors), screens them on a few networks, evaluates the best on every network, and adds the finite ones to the library.
A *generation* breeds programs from the library's reductions, evaluates them on all networks from memory, and selects
the best. Thousands of programs are evaluated for each pass over the networks.

A program that ranks reduced networks need not rank networks of full size. So the last generations follow a *promotion*:
the best reductions are evaluated on some networks of full size too, and from then on the fitness of a program is its
worst tau over all conditions, full size included.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from deap import tools

from eznas.errors import EznasError
from eznas.gp.deap_random import from_json, to_json
from eznas.gp.grammar import random_program
from eznas.gp.hall_of_fame import HallOfFame
from eznas.gp.library import Library, assess
from eznas.gp.population import Breeder
from eznas.programs import parse
from eznas.programs import reductions as reductions_of
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import FitnessCase, FitnessEvaluator
    from eznas.gp.individual import Individual
    from eznas.gp.library import Entry
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.scoring import Panel


_IMMIGRANTS = 0.05
"""Share of every generation that is drawn at random."""

_EXPANSION = 4
"""Size of the library, divided by the number of reductions that an expansion adds."""

_PROMOTED = 40
"""Reductions that are evaluated at full size at most: networks of full size cost several times as much."""


class Evolution:
    """The state of a run, and its steps.

    Args:
        config: Sizes, limits and seed.
        evaluator: Evaluates programs on the training and validation networks.
        promotion: The case at full size that ``promote`` adds; None for no promotion.
        screening: Evaluates reductions on few networks before the best are evaluated on all; None for no screening.
        progress: Shows stages and steps.

    Attributes:
        generation: Generations done.
        promoted: Whether programs are evaluated at full size too.
        population: The individuals of the present generation.
        hall: The best of each complexity so far.
        logbook: DEAP's record of every generation.
    """

    def __init__(
        self,
        config: EvolveConfig,
        evaluator: FitnessEvaluator,
        promotion: FitnessCase | None,
        screening: FitnessEvaluator | None,
        progress: Progress,
    ) -> None:
        self.config = config
        self.generation = 0
        self.promoted = False
        self.population: list[Individual] = []
        self.hall = HallOfFame()
        self.logbook = tools.Logbook()
        self.library = Library(evaluator, config.library, progress)
        self.breeder = Breeder(evaluator, config)
        self._evaluator, self._promotion, self._screening = evaluator, promotion, screening
        self._reported: set[tuple[str, str]] = set()
        self._rng = python_rng(config.seed, "evolution")
        self._progress = progress

    def start(self, seeds: Sequence[Node] = ()) -> None:
        """Fill the library and the first population.

        Args:
            seeds: Programs to begin with, beside random ones.

        Raises:
            EznasError: No reduction is finite on every network, or none ranks them.
        """
        seed_reductions = [reduction for seed in seeds for reduction in reductions_of([seed])]
        drawn = self._draw(self.config.library, seed_reductions)
        self._add_to_library(list(dict.fromkeys([*seed_reductions, *drawn])))
        if not self.library.entries:
            raise EznasError(
                "none of the reductions drawn is finite and different between the networks; "
                f"look at the first failure: {self._first_failure()}"
            )
        usable = [seed for seed in seeds if _known(seed, self.library.entries)]
        if len(usable) < len(seeds):
            self._progress.message(
                f"{len(seeds) - len(usable)} seed program(s) are not finite on every network; left out"
            )
        singles = [entry.best for entry in self.library.entries.values()]
        fresh = [self._immigrant() for _ in range(self.config.population)]
        first = [*usable, *(program for program in [*singles, *fresh] if self.breeder.fits(program))]
        self._select(self.breeder.individuals(list(dict.fromkeys(first))))

    def step(self) -> None:
        """Do one generation, after an expansion where one is due."""
        if self.expansion_is_due():
            self.expand()
        reductions = self.library.reductions
        offspring = self.breeder.offspring(self._rng, self.population, self.config.population, reductions)
        immigrants = [self._immigrant() for _ in range(round(_IMMIGRANTS * self.config.population))]
        new = dict.fromkeys([*offspring, *filter(self.breeder.fits, immigrants)])
        self._select([*self.population, *self.breeder.individuals(list(new))])
        self.generation += 1

    def expand(self) -> None:
        """Evaluate new reductions on the networks, and let programs with them join the population."""
        parents = reductions_of([individual.program for individual in self.population])
        entries = self._add_to_library(self._draw(max(1, self.config.library // _EXPANSION), parents))
        self.library.prune(parents)
        grafts = [entry.best for entry in entries if entry.reduction in self.library.entries]
        self._select([*self.population, *self.breeder.individuals(list(dict.fromkeys(grafts)))])

    def promote(self) -> None:
        """Evaluate the best reductions at full size; go on with these alone, and evaluate programs there too.

        Nothing changes where there is no promotion, or where no program of the population has a tau at full size.
        """
        if self._promotion is None or self.promoted:
            return
        panel, chosen = self._promotion.panel, self._most_used(_PROMOTED)
        self._progress.stage(f"evaluating {len(chosen)} formulas on networks of full size", len(panel.architectures))
        finite = panel.extend(chosen, self._progress)
        self._report_failures(panel)
        usable = [node for node, everywhere in zip(chosen, finite, strict=True) if everywhere]
        self._evaluator.add(self._promotion)
        entries = assess(self._evaluator, usable)
        kept = {entry.reduction for entry in entries}
        panel.table.forget([node for node in chosen if node not in kept])
        programs = [individual.program for individual in self.population if _known(individual.program, kept)]
        programs += [entry.best for entry in entries]
        promoted = self.breeder.individuals(list(dict.fromkeys(filter(self.breeder.fits, programs))))
        if not any(HallOfFame.worth(individual) > -math.inf for individual in promoted):
            self._evaluator.drop(self._promotion)
            self._progress.message("no program of the population ranks networks of full size; the run goes on without")
            return
        self.library.keep(entries)
        self.promoted, self.hall = True, HallOfFame()
        self._select(promoted)

    def _most_used(self, count: int) -> list[Node]:
        """Return the reductions that most programs of the hall of fame and the population read, then the best alone."""
        programs = [individual.program for individual in [*self.hall.members.values(), *self.population]]
        uses = Counter(node for program in programs for node in reductions_of([program]))
        entries = self.library.entries
        return sorted(entries, key=lambda node: (-uses[node], -entries[node].merit, node.text))[:count]

    @property
    def full_panel(self) -> Panel | None:
        """After the promotion, the panel of full size, which knows all reductions of the hall of fame."""
        return self._promotion.panel if self.promoted and self._promotion else None

    def expansion_is_due(self) -> bool:
        """Whether the next step begins with an expansion."""
        due = bool(self.generation) and self.generation % self.config.expansion_every == 0
        return due and not self.promoted

    def _draw(self, count: int, parents: Sequence[Node]) -> list[Node]:
        """Return new reductions: with a screening, the best among several times as many."""
        if self._screening is None:
            return self.library.propose(self._rng, count, parents)
        drawn = self.library.propose(self._rng, self.config.draws * count, parents)
        steps = sum(len(panel.architectures) for panel in self._screening.panels)
        self._progress.stage(f"screening {len(drawn)} formulas on few networks", steps)
        return self.library.screen(self._screening, drawn, count)

    def _add_to_library(self, reductions: Sequence[Node]) -> list[Entry]:
        self._begin_evaluation(len(reductions))
        entries = self.library.add(reductions)
        self._report_failures(*self._evaluator.panels)
        return entries

    def _begin_evaluation(self, count: int) -> None:
        steps = sum(len(panel.architectures) for panel in self._evaluator.panels)
        self._progress.stage(f"evaluating {count} formulas on the networks", steps)

    def _report_failures(self, *panels: Panel) -> None:
        for panel in panels:
            for architecture, failure in panel.left_out.items():
                if (panel.condition.fidelity.name, architecture) not in self._reported:
                    self._reported.add((panel.condition.fidelity.name, architecture))
                    self._progress.message(f"{architecture} ({panel.condition}) is left out because {failure}")

    def _select(self, individuals: Sequence[Individual]) -> None:
        self.hall.update(individuals)
        self.population = self.breeder.survivors(self._rng, individuals, self.config.population)
        if not self.population:
            raise EznasError("no program has a rank correlation on the training networks")

    def _immigrant(self) -> Node:
        return random_program(self._rng, self._rng.randint(0, 2), self.library.reductions)

    def _first_failure(self) -> str:
        for panel in self._evaluator.panels:
            for architecture, failure in panel.left_out.items():
                return f"{architecture}: {failure}"
        return "no network failed; the formulas are undefined or constant"

    def state(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, ready for JSON.

        Vectors are left out, and so is the promotion: a resumed run does it again.
        """
        return {
            "generation": self.generation,
            "random": to_json(self._rng),
            "population": [individual.program.text for individual in self.population],
            "hall": self.hall.state(),
            **self.library.state(),
            **self.breeder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that ``state`` returned, and evaluate the library's reductions on the networks.

        Raises:
            EznasError: The networks give other values than when the checkpoint was written.
        """
        self._begin_evaluation(len(state["library"]))
        self.library.restore(state)
        self._report_failures(*self._evaluator.panels)
        self.population = self.breeder.individuals([parse(text) for text in state["population"]])
        self.hall.restore(state["hall"])
        self.breeder.restore(state)
        self.generation = state["generation"]
        self._rng = from_json(state["random"])


def _known(program: Node, reductions: Container[Node]) -> bool:
    return all(node in reductions for node in reductions_of([program]))
