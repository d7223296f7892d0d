"""The evolution of proxies: start reading here.

A run alternates two kinds of steps. An *expansion* draws new reductions (formulas that make one number of each layer's
tensors), screens them on a few networks of every task, evaluates the best on every network, and adds the finite ones to
the library. A *generation* breeds programs from the library's reductions, evaluates them on all networks from memory,
and selects the best. Thousands of programs are evaluated for each pass over the networks. An expansion is due when
generations no longer help, and the library grows until expansions no longer help.

A program that ranks reduced networks need not rank networks of full size. So the last generations follow a *promotion*:
the best reductions are evaluated on some networks of full size too, and from then on the tau of a program on a task is
its worst over all conditions, full size included.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from deap import tools

from eznas.errors import EznasError, OutOfTimeError
from eznas.gp.deap_random import from_json, to_json
from eznas.gp.genealogy import Birth, Genealogy
from eznas.gp.grammar import random_program
from eznas.gp.growth import Growth
from eznas.gp.hall_of_fame import HallOfFame
from eznas.gp.leaves import NetworkLeaves
from eznas.gp.library import LEAST_VISITED, Library, assess
from eznas.gp.population import Breeder
from eznas.gp.schedule import Schedule
from eznas.programs import apply, network_leaves, parse
from eznas.programs import reductions as reductions_of
from eznas.scoring.left_out import NOT_REACHED, left_out_messages
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

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

_LEAST_PROMOTED = 10
"""Networks of full size of each task that are run in any case: they take seconds each."""

_PRUNE_EVERY = 25
"""Generations between two prunings of the genealogy."""

_PROMOTED = 40
"""Reductions that are evaluated at full size at most: networks of full size cost several times as much."""


class Evolution:
    """The state of a run, and its steps.

    Args:
        config: Sizes, limits and seed.
        evaluator: Evaluates programs on the training and validation networks.
        leaves: Names of leaves of the network floor, such as ``"measure.synflow"``.
        promotion: The cases at full size that ``promote`` adds; none for no promotion.
        screening: Evaluates reductions on few networks before the best are evaluated on all; None for no screening.
        progress: Shows stages and steps.

    Attributes:
        generation: Generations done.
        promoted: Whether programs are evaluated at full size too.
        schedule: Bounds the time of the next expansion or promotion.
        evaluator, promotion, screening: As given.
        population: The individuals of the present generation.
        hall: The best of each complexity so far.
        logbook: DEAP's record of every generation.
        genealogy: How the programs of the population and the hall of fame came about.
        converged: Whether neither generations nor expansions help any more.
    """

    def __init__(
        self,
        config: EvolveConfig,
        evaluator: FitnessEvaluator,
        leaves: Sequence[str],
        promotion: Sequence[FitnessCase],
        screening: FitnessEvaluator | None,
        progress: Progress,
    ) -> None:
        self.config = config
        self.generation = 0
        self.promoted = False
        self.population: list[Individual] = []
        self.hall = HallOfFame()
        self.logbook = tools.Logbook()
        self.schedule = Schedule()
        self.library = Library(evaluator, config.library, self.schedule, progress)
        self.breeder = Breeder(evaluator, config)
        self.evaluator, self.promotion, self.screening = evaluator, promotion, screening
        self.genealogy = Genealogy()
        self._growth = Growth(config.patience)
        self._leaves = NetworkLeaves(leaves, self.schedule, progress)
        self._reported: dict[int, set[str]] = {}
        self._rng = python_rng(config.seed, "evolution")
        self._progress = progress

    def compute_leaves(self) -> None:
        """Compute the leaves of the network floor on the networks of evolution, before ``start``."""
        self._leaves.compute(self.evaluator.panels, LEAST_VISITED)
        self._report_left_out(*self.evaluator.panels)

    def start(self, seeds: Sequence[Node] = ()) -> None:
        """Fill the library and the first population.

        Args:
            seeds: Programs to begin with, beside random ones.

        Raises:
            EznasError: No reduction is finite on every network, or none ranks them.
        """
        if self.config.terminals != "measures":
            self._fill_library(seeds)
        elif not self._leaves.nodes:
            raise EznasError("none of the terminal measures has a value on every network; choose others, or statistics")
        usable = [seed for seed in seeds if self._known(seed) and self.breeder.fits(seed)]
        if len(usable) < len(seeds):
            left = len(seeds) - len(usable)
            self._progress.message(
                f"{left} seed program(s) are left out: not finite on every network, beyond max_size, max_height or "
                "max_cost, or with leaves that terminals excludes"
            )
        singles = [entry.best for entry in self.library.entries.values()]
        singles += [program for node in self._leaves.nodes for program in (node, apply("neg", node))]
        fresh = [self._immigrant() for _ in range(self.config.population)]
        births: dict[Node, tuple[str, tuple[Node, ...]]] = dict.fromkeys(usable, ("seed", ()))
        births = dict.fromkeys(fresh, ("random", ())) | dict.fromkeys(singles, ("aggregated reduction", ())) | births
        fitting = dict.fromkeys([*usable, *filter(self.breeder.fits, [*singles, *fresh])])
        self._select(self._born(list(fitting), births))

    def _fill_library(self, seeds: Sequence[Node]) -> None:
        seed_reductions = [reduction for seed in seeds for reduction in reductions_of([seed])]
        drawn = self._draw(self.config.library, seed_reductions)
        self._add_to_library(list(dict.fromkeys([*seed_reductions, *drawn])))
        self._report_left_out(*self.evaluator.panels)
        if not self.library.entries:
            raise EznasError(
                "none of the reductions drawn is finite and different between the networks; "
                f"look at the first failure: {self._first_failure()}"
            )

    def step(self) -> None:
        """Do one generation, after an expansion where one is due."""
        if self.expansion_is_due():
            self.expand()
        count, reductions = self.config.population, self.library.reductions
        offspring = self.breeder.offspring(self._rng, self.population, count, reductions, self._leaves.nodes)
        immigrants = [self._immigrant() for _ in range(round(_IMMIGRANTS * count))]
        births = dict.fromkeys(filter(self.breeder.fits, immigrants), ("random", ())) | offspring
        new = dict.fromkeys([*offspring, *births])
        self._select([*self.population, *self._born(list(new), births)])
        self.generation += 1
        self._growth.generation(max((HallOfFame.worth(each) for each in self.hall.members.values()), default=-math.inf))
        if self.generation % _PRUNE_EVERY == 0:
            self.genealogy.prune(self._texts())

    def expand(self) -> None:
        """Evaluate new reductions on the networks, and let programs with them join the population."""
        self._growth.expansion()
        parents = reductions_of([individual.program for individual in self.population])
        used = reductions_of([member.program for member in self.hall.members.values()])
        try:
            entries = self._add_to_library(self._draw(max(1, self.config.library // _EXPANSION), parents))
        except EznasError as error:
            reason = "it took more than the time left" if isinstance(error, OutOfTimeError) else str(error)
            self._progress.message(f"no more reductions are drawn: {reason}")
            entries = []
            self._growth.end()
        self.library.prune({*parents, *used})
        if self._report_left_out(*self.evaluator.panels):
            self._evaluate_again()
        kept = [entry.best for entry in entries if entry.reduction in self.library.entries]
        singles = dict.fromkeys(filter(self.breeder.fits, kept))
        births = dict.fromkeys(singles, ("aggregated reduction", ()))
        self._select([*self.population, *self._born(list(singles), births)])

    def promote(self, left_out: Sequence[Mapping[str, str]] = ()) -> None:
        """Evaluate the best reductions at full size; go on with these alone, and evaluate programs there too.

        Nothing changes where there is no promotion, or where no program of the population has a tau at full size.
        ``left_out`` are the networks that ``Panel.leave_out`` takes, for each case of the promotion.
        """
        if not self.promotion or self.promoted:
            return
        chosen, hall = self._most_used(_PROMOTED), self.hall
        try:
            for case, reasons in zip(self.promotion, left_out, strict=False):
                case.panel.leave_out(reasons)
            usable = self._evaluate_at_full_size(chosen)
        except EznasError as error:
            self._progress.message(f"the run goes on without networks of full size: {error}")
            return
        self.evaluator.add(self.promotion)
        try:
            entries = assess(self.evaluator, usable)
            kept = {entry.reduction for entry in entries}
            for case in self.promotion:
                case.panel.table.forget([node for node in chosen if node not in kept])
            bred = [*hall.members.values(), *self.population]
            programs = [individual.program for individual in bred if self._known(individual.program, kept)]
            singles = [entry.best for entry in entries]
            births = dict.fromkeys(singles, ("aggregated reduction", ()))
            fitting = list(dict.fromkeys(filter(self.breeder.fits, [*programs, *singles])))
            promoted = self._born(fitting, births)
            if any(HallOfFame.worth(individual) > -math.inf for individual in promoted):
                self.library.keep(entries)
                self.hall = HallOfFame()
                self._select(promoted)
                self.promoted = True
        finally:
            if not self.promoted:  # also after an interrupt
                self.hall = hall
                self.evaluator.drop(self.promotion)
        if not self.promoted:
            self._progress.message("no program of the population ranks networks of full size; the run goes on without")

    def _evaluate_at_full_size(self, reductions: Sequence[Node]) -> list[Node]:
        """Evaluate reductions and leaves on the networks of the promotion, and return the finite reductions."""
        usable = list(reductions)
        for case in self.promotion:
            panel = case.panel
            stage = f"evaluating {len(usable)} formulas on networks of full size"
            self._progress.stage(stage, len(panel.architectures))
            deadline = self.schedule.deadline(panel)
            finite = panel.extend(usable, self._progress, deadline=deadline, least=_LEAST_PROMOTED)
            usable = [node for node, flag in zip(usable, finite, strict=True) if flag]
            self._leaves.compute([panel], _LEAST_PROMOTED)
            self._report_left_out(panel)
        return usable

    def _most_used(self, count: int) -> list[Node]:
        """Return the reductions that most programs of the hall of fame and the population read, then the best alone."""
        programs = [individual.program for individual in [*self.hall.members.values(), *self.population]]
        uses = Counter(node for program in programs for node in reductions_of([program]))
        entries = self.library.entries
        return sorted(entries, key=lambda node: (-uses[node], -entries[node].merit, node.text))[:count]

    @property
    def leaves(self) -> list[Node]:
        """The leaves of the network floor that programs read."""
        return self._leaves.nodes

    @property
    def full_panels(self) -> list[Panel]:
        """After the promotion, the panel of each promoted task at full size, with the hall of fame's reductions."""
        return [case.panel for case in self.promotion] if self.promoted else []

    @property
    def converged(self) -> bool:
        """Whether neither generations nor expansions help any more."""
        return self._growth.stagnates and not self._grows

    @property
    def _grows(self) -> bool:
        return not self._growth.ended and self.config.terminals != "measures"

    def expansion_is_due(self) -> bool:
        """Whether the next step begins with an expansion."""
        return self._growth.stagnates and self._grows and not self.promoted

    def _texts(self) -> list[str]:
        return [individual.program.text for individual in [*self.hall.members.values(), *self.population]]

    def _draw(self, count: int, parents: Sequence[Node]) -> list[Node]:
        """Return new reductions: with a screening, the best among several times as many."""
        if self.screening is None:
            return self.library.propose(self._rng, count, parents)
        drawn = self.library.propose(self._rng, self.config.draws * count, parents)
        steps = sum(len(panel.architectures) for panel in self.screening.panels)
        self._progress.stage(f"screening {len(drawn)} formulas on few networks", steps)
        screened = self.library.screen(self.screening, drawn, count)
        for panel in self.screening.panels:  # a network that fails there would fail again
            failed = {name: reason for name, reason in panel.left_out.items() if reason != NOT_REACHED}
            for other in self.evaluator.panels:
                if other.condition.key == panel.condition.key:
                    other.leave_out({name: why for name, why in failed.items() if name in other.architectures})
        return screened

    def _add_to_library(self, reductions: Sequence[Node]) -> list[Entry]:
        self._begin_evaluation(len(reductions))
        return self.library.add(reductions)

    def _report_left_out(self, *panels: Panel) -> bool:
        """Report the networks that were left out since the last call, and return whether there are any."""
        any_new = False
        for panel in panels:
            reported = self._reported.setdefault(id(panel), set())
            if new := {name: reason for name, reason in panel.left_out.items() if name not in reported}:
                reported.update(new)
                any_new = True
                for message in left_out_messages(new, len(panel.architectures), panel.condition):
                    self._progress.message(message)
        return any_new

    def _evaluate_again(self) -> None:
        """Evaluate all programs anew, after networks were left out."""
        self.library.keep(assess(self.evaluator, self.library.reductions))
        members, population = (
            self.breeder.individuals([each.program for each in individuals if self._known(each.program)])
            for individuals in (list(self.hall.members.values()), self.population)
        )
        self.hall, self.population = HallOfFame(), []
        self._select([*members, *population])

    def _begin_evaluation(self, count: int) -> None:
        steps = sum(len(panel.architectures) for panel in self.evaluator.panels)
        self._progress.stage(f"evaluating {count} formulas on the networks", steps)

    def _born(self, programs: Sequence[Node], births: Mapping[Node, tuple[str, tuple[Node, ...]]]) -> list[Individual]:
        individuals = self.breeder.individuals(programs)
        for individual in individuals:
            if individual.program not in births:  # it is known from before
                continue
            operator, parents = births[individual.program]
            texts = tuple(parent.text for parent in parents)
            birth = Birth(operator, texts, self.generation, individual.tau_train)
            self.genealogy.record(individual.program.text, birth)
        return individuals

    def _select(self, individuals: Sequence[Individual]) -> None:
        self.hall.update(individuals)
        self.population = self.breeder.survivors(self._rng, individuals, self.config.population)
        if not self.population:
            limits = "max_size, max_height and max_cost"
            raise EznasError(f"no program within {limits} has a rank correlation on the training networks; raise them")

    def _immigrant(self) -> Node:
        return random_program(self._rng, self._rng.randint(0, 2), self.library.reductions, self._leaves.nodes)

    @property
    def _all_panels(self) -> list[Panel]:
        """The panels of evolution and of the screening."""
        return [*self.evaluator.panels, *(self.screening.panels if self.screening else ())]

    def _known(self, program: Node, reductions: Container[Node] | None = None) -> bool:
        """Whether a program reads known reductions, by default those of the library, and known leaves only."""
        known = self.library.entries if reductions is None else reductions
        return all(node in known for node in reductions_of([program])) and all(
            node in self._leaves.nodes for node in network_leaves([program])
        )

    def _first_failure(self) -> str:
        failures = (f"{name}: {reason}" for panel in self.evaluator.panels for name, reason in panel.left_out.items())
        return next(failures, "no network failed; the formulas are undefined or constant")

    def state(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, ready for JSON.

        Vectors are left out, and so is the promotion: a resumed run does it again.
        """
        return {
            "generation": self.generation,
            "random": to_json(self._rng),
            "population": [individual.program.text for individual in self.population],
            "hall": self.hall.state(),
            "genealogy": self.genealogy.state(),
            "leaves": [node.name for node in self._leaves.nodes],
            "left_out": [dict(panel.left_out) for panel in self._all_panels],
            "growth": self._growth.state(),
            **self.library.state(),
            **self.breeder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that ``state`` returned, and evaluate the library's reductions on the networks.

        Raises:
            EznasError: The networks give other values than when the checkpoint was written.
        """
        for panel, reasons in zip(self._all_panels, state["left_out"], strict=True):
            panel.leave_out(reasons)
            self._reported[id(panel)] = set(reasons)
        self._leaves = NetworkLeaves(state["leaves"], self.schedule, self._progress)
        self.compute_leaves()
        self._begin_evaluation(len(state["library"]))
        self.library.restore(state)
        self.population = self.breeder.individuals([parse(text) for text in state["population"]])
        self.hall.restore(state["hall"])
        self.genealogy.restore(state["genealogy"])
        self._growth.restore(state["growth"])
        self.breeder.restore(state)
        self.generation = state["generation"]
        self._rng = from_json(state["random"])
