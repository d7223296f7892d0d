"""The evolution of proxies: start reading here.

A run alternates two kinds of steps. An *expansion* draws new reductions (tensor trees with a reduction on top), lets
them race on a few networks, visits every network once for the winners, and adds those that are finite to the library.
A *generation* breeds programs above the tensor floor from the library's reductions, judges them on all networks from
memory, and lets the best live on. Thousands of programs are judged for each visit to the networks.

What ranks reduced networks need not rank those of full size. So the last generations follow a *promotion*: the best
reductions visit some networks of full size too, and from then on a program is worth what the worst condition says,
full size included.
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
from eznas.gp.individual import Individual
from eznas.gp.library import Library
from eznas.gp.population import Breeder
from eznas.primitives import Kind
from eznas.programs import parse
from eznas.programs import reductions as reductions_of
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import FitnessCase, FitnessEvaluator
    from eznas.gp.library import Entry
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.scoring import Panel

__all__ = ["Evolution"]

_IMMIGRANTS = 0.05
"""Share of every generation that is bred from nothing."""

_EXPANSION = 4
"""An expansion draws one reduction for every so many that the library holds."""

_PROMOTED = 40
"""Reductions that visit networks of full size at most: these cost several times as much as reduced ones."""


class Evolution:
    """The state of a run and how it moves on.

    Args:
        config: Sizes, limits and seed.
        evaluator: Judges programs on the training and validation networks.
        promotion: The case at full size that is added by ``promote``; None where there is none.
        screening: Examines on few networks, to choose among more reductions than visit all; None for no choice.
        progress: Is told of stages and steps.

    Attributes:
        generation: Generations done.
        promoted: Whether programs are judged at full size too.
        population: The living.
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
        self._told: set[tuple[str, str]] = set()
        self._rng = python_rng(config.seed, "evolution")
        self._progress = progress

    def start(self, seeds: Sequence[Node] = ()) -> None:
        """Fill the library and the first population.

        Args:
            seeds: Programs to begin with, beside random ones.

        Raises:
            EznasError: No reduction is finite on every network, or none ranks them.
        """
        planted = [reduction for seed in seeds for reduction in reductions_of([seed])]
        drawn = self._draw(self.config.library, planted)
        self._visit(list(dict.fromkeys([*planted, *drawn])))
        if not self.library.entries:
            raise EznasError(
                "none of the reductions drawn is finite and different between the networks; "
                f"look at the first failure: {self._first_failure()}"
            )
        sown = [seed for seed in seeds if _known(seed, self.library.entries)]
        if len(sown) < len(seeds):
            self._progress.message(
                f"{len(seeds) - len(sown)} seed program(s) are not finite on every network; left out"
            )
        singles = [entry.best for entry in self.library.entries.values()]
        fresh = [self._immigrant() for _ in range(self.config.population)]
        first = [*sown, *(program for program in [*singles, *fresh] if self.breeder.fits(program))]
        self._live_on(self.breeder.individuals(list(dict.fromkeys(first))))

    def step(self) -> None:
        """Do one generation, after an expansion where one is due."""
        if self.expansion_is_due():
            self.expand()
        reductions = self.library.reductions
        offspring = self.breeder.offspring(self._rng, self.population, self.config.population, reductions)
        immigrants = [self._immigrant() for _ in range(round(_IMMIGRANTS * self.config.population))]
        bred = dict.fromkeys([*offspring, *filter(self.breeder.fits, immigrants)])
        self._live_on([*self.population, *self.breeder.individuals(list(bred))])
        self.generation += 1

    def expand(self) -> None:
        """Visit the networks for new reductions and let programs with them join the population."""
        parents = reductions_of([one.program for one in self.population])
        entries = self._visit(self._draw(max(1, self.config.library // _EXPANSION), parents))
        self.library.prune(parents)
        grafts = [entry.best for entry in entries if entry.reduction in self.library.entries]
        self._live_on([*self.population, *self.breeder.individuals(list(dict.fromkeys(grafts)))])

    def promote(self) -> None:
        """Visit networks of full size for the best reductions; go on with these alone, judged there too.

        Nothing changes where there is no promotion, or where no program of the population has a tau at full size.
        """
        if self._promotion is None or self.promoted:
            return
        panel, chosen = self._promotion.panel, self._most_used(_PROMOTED)
        self._progress.stage(f"evaluating {len(chosen)} reductions at full size", len(panel.architectures))
        finite = panel.extend(chosen, self._progress)
        self._tell_failures(panel)
        usable = [node for node, flags in zip(chosen, finite, strict=True) if flags.all()]
        self._evaluator.cases.append(self._promotion)
        entries = self.library.assess(usable)
        kept = {entry.reduction for entry in entries}
        panel.forget([node for node in chosen if node not in kept])
        programs = [one.program for one in self.population if _known(one.program, kept)]
        programs += [entry.best for entry in entries]
        promoted = self.breeder.individuals(list(dict.fromkeys(filter(self.breeder.fits, programs))))
        if not any(HallOfFame.worth(one) > -math.inf for one in promoted):
            self._evaluator.cases.pop()
            self._progress.message("no program of the population ranks networks of full size; it goes on without them")
            return
        self.library.keep(entries)
        self.promoted, self.hall = True, HallOfFame()
        self._live_on(promoted)

    def _most_used(self, count: int) -> list[Node]:
        """Return the reductions that most programs of the hall of fame and the population read, then the best alone."""
        programs = [one.program for one in [*self.hall.members.values(), *self.population]]
        uses = Counter(node for program in programs for node in reductions_of([program]))
        entries = self.library.entries
        return sorted(entries, key=lambda node: (-uses[node], -entries[node].merit, node.text))[:count]

    @property
    def full_panel(self) -> Panel | None:
        """Once promoted, the panel of full size, which knows all reductions of the hall of fame."""
        return self._promotion.panel if self.promoted and self._promotion else None

    def expansion_is_due(self) -> bool:
        """Whether the next step begins by visiting the networks."""
        due = bool(self.generation) and self.generation % self.config.expansion_every == 0
        return due and not self.promoted

    def _draw(self, count: int, parents: Sequence[Node]) -> list[Node]:
        """Return new reductions; where there is a screening, its winners among several times as many."""
        if self._screening is None:
            return self.library.propose(self._rng, count, parents)
        drawn = self.library.propose(self._rng, self.config.draws * count, parents)
        steps = sum(len(panel.architectures) for panel in self._screening.panels)
        self._progress.stage(f"trying {len(drawn)} reductions on few networks", steps)
        return self.library.race(self._screening, drawn, count)

    def _visit(self, reductions: Sequence[Node]) -> list[Entry]:
        steps = sum(len(panel.architectures) for panel in self._evaluator.panels)
        self._progress.stage(f"evaluating {len(reductions)} reductions", steps)
        entries = self.library.add(reductions)
        for panel in self._evaluator.panels:
            self._tell_failures(panel)
        return entries

    def _tell_failures(self, panel: Panel) -> None:
        for architecture, failure in panel.failures.items():
            if (panel.condition.fidelity.name, architecture) not in self._told:
                self._told.add((panel.condition.fidelity.name, architecture))
                self._progress.message(f"{architecture} ({panel.condition}) failed and has no values: {failure}")

    def _live_on(self, individuals: Sequence[Individual]) -> None:
        self.hall.update(individuals)
        self.population = self.breeder.survivors(self._rng, individuals, self.config.population)
        if not self.population:
            raise EznasError("no program has a rank correlation on the training networks")

    def _immigrant(self) -> Node:
        return random_program(self._rng, self._rng.randint(0, 2), self.library.reductions)

    def _first_failure(self) -> str:
        for panel in self._evaluator.panels:
            for architecture, failure in panel.failures.items():
                return f"{architecture}: {failure}"
        return "no network failed; the formulas are undefined or constant"

    def state(self) -> dict[str, Any]:
        """Return all that a resumed run needs, ready for JSON; vectors are computed anew from it.

        It is the state of a run that is not promoted yet: a promotion and what follows are done again from there.
        """
        return {
            "generation": self.generation,
            "random": to_json(self._rng),
            "library": [node.text for node in self.library.reductions],
            "tried": sorted(self.library.tried),
            "rejected": dict(self.library.rejected),
            "population": [one.program.text for one in self.population],
            "hall": [[one.program.text, one.tau_train, one.tau_validation] for one in self.hall.members.values()],
            "statuses": dict(self.breeder.statuses),
            "judged": self.breeder.judged,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that ``state`` returned, visiting the networks for the library's vectors.

        Raises:
            EznasError: The networks do not give now what they gave then.
        """
        library = [parse(text, Kind.UNIT) for text in state["library"]]
        self._visit(library)
        if self.library.reductions != library:
            raise EznasError(
                "the networks must give what they gave when the checkpoint was written, but some reductions are not "
                "finite any more; resume on the same device and with the same versions"
            )
        self.population = self.breeder.individuals([parse(text) for text in state["population"]])
        self.hall.update(
            Individual(parse(text), train, validation, b"", self.breeder.toolbox.fitness())
            for text, train, validation in state["hall"]
        )
        self.generation = state["generation"]
        self._rng = from_json(state["random"])
        self.library.tried = set(state["tried"])
        self.library.rejected.clear()
        self.library.rejected.update(state["rejected"])
        self.breeder.statuses.clear()
        self.breeder.statuses.update(state["statuses"])
        self.breeder.judged = state["judged"]


def _known(program: Node, reductions: Container[Node]) -> bool:
    return all(node in reductions for node in reductions_of([program]))
