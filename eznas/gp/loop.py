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
from typing import TYPE_CHECKING, Any

from deap import tools

from eznas.errors import EznasError, OutOfTimeError
from eznas.gp.deap_random import from_json, to_json
from eznas.gp.genealogy import Birth, Genealogy, origins
from eznas.gp.grammar import random_program
from eznas.gp.hall_of_fame import HallOfFame
from eznas.gp.library import LEAST_VISITED, Library, assess
from eznas.gp.population import Breeder
from eznas.gp.schedule import Schedule
from eznas.programs import apply, leaf, network_leaves, parse
from eznas.programs import reductions as reductions_of
from eznas.scoring.left_out import NOT_REACHED, left_out_messages
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from eznas.config import EvolveConfig
    from eznas.gp.fitness import FitnessCase, FitnessEvaluator
    from eznas.gp.genealogy import Origins
    from eznas.gp.individual import Individual
    from eznas.gp.library import Entry
    from eznas.programs import Node
    from eznas.progress import Progress
    from eznas.scoring import Panel


_IMMIGRANTS = 0.05
"""Share of every generation that is drawn at random."""

_EXPANSION = 4
"""Size of the library, divided by the number of reductions that an expansion adds."""

_GAIN, _LAST_GAIN = 0.001, 0.003
"""Least gain in worth that counts as better, in a generation and in the generations that follow an expansion."""

_IN_VAIN = 2
"""Expansions in a row without such a gain after which the library does not grow any more."""

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
        self._evaluator, self._promotion, self._screening = evaluator, promotion, screening
        self.genealogy = Genealogy()
        self._best, self._before_expansion = -math.inf, -math.inf
        self._stagnant, self._in_vain = 0, 0
        self._leaves: list[Node] = []
        self._leaf_names = tuple(leaves)
        self._reported: dict[int, set[str]] = {}
        self._rng = python_rng(config.seed, "evolution")
        self._progress = progress

    def start(self, seeds: Sequence[Node] = ()) -> None:
        """Fill the library and the first population.

        Args:
            seeds: Programs to begin with, beside random ones.

        Raises:
            EznasError: No reduction is finite on every network, or none ranks them.
        """
        self._compute_leaves(*self._evaluator.panels)
        self._report_left_out(*self._evaluator.panels)
        if self.config.terminals != "measures":
            self._fill_library(seeds)
        elif not self._leaves:
            raise EznasError("none of the terminal measures has a value on every network; choose others, or statistics")
        usable = [seed for seed in seeds if self._known(seed)]
        if left_out := len(seeds) - len(usable):
            self._progress.message(f"{left_out} seed program(s) are not finite on every network; left out")
        singles = [entry.best for entry in self.library.entries.values()]
        singles += [program for node in self._leaves for program in (node, apply("neg", node))]
        fresh = [self._immigrant() for _ in range(self.config.population)]
        births = origins(fresh, "random") | origins(singles, "building block") | origins(usable, "seed")
        first = [*usable, *(program for program in [*singles, *fresh] if self.breeder.fits(program))]
        self._join(first, births)

    def _fill_library(self, seeds: Sequence[Node]) -> None:
        seed_reductions = [reduction for seed in seeds for reduction in reductions_of([seed])]
        drawn = self._draw(self.config.library, seed_reductions)
        self._add_to_library(list(dict.fromkeys([*seed_reductions, *drawn])))
        self._report_left_out(*self._evaluator.panels)
        if not self.library.entries:
            raise EznasError(
                "none of the reductions drawn is finite and different between the networks; "
                f"look at the first failure: {self._first_failure()}"
            )

    def step(self) -> None:
        """Do one generation, after an expansion where one is due."""
        if self.expansion_is_due():
            self.expand()
        reductions = self.library.reductions
        offspring = self.breeder.offspring(self._rng, self.population, self.config.population, reductions, self._leaves)
        immigrants = [self._immigrant() for _ in range(round(_IMMIGRANTS * self.config.population))]
        births = dict.fromkeys(filter(self.breeder.fits, immigrants), ("random", ())) | offspring
        new = dict.fromkeys([*offspring, *births])
        self._select([*self.population, *self._born(list(new), births)])
        self.generation += 1
        self._measure_progress()
        if self.generation % _PRUNE_EVERY == 0:
            self.genealogy.prune(program.text for program in self._programs())

    def expand(self) -> None:
        """Evaluate new reductions on the networks, and let programs with them join the population."""
        gained = self._best - self._before_expansion >= _LAST_GAIN
        self._in_vain = 0 if gained else self._in_vain + 1
        self._before_expansion, self._stagnant = self._best, 0
        parents = reductions_of([individual.program for individual in self.population])
        try:
            entries = self._add_to_library(self._draw(max(1, self.config.library // _EXPANSION), parents))
        except OutOfTimeError:
            self._progress.message("an expansion took more than the time that was left for it and is given up")
            entries, self._in_vain = [], _IN_VAIN
        self.library.prune(parents)
        if self._report_left_out(*self._evaluator.panels):
            self._evaluate_again()
        blocks = [entry.best for entry in entries if entry.reduction in self.library.entries]
        self._join([block for block in blocks if self.breeder.fits(block)], origins(blocks, "building block"))

    def promote(self) -> None:
        """Evaluate the best reductions at full size; go on with these alone, and evaluate programs there too.

        Nothing changes where there is no promotion, or where no program of the population has a tau at full size.
        """
        if not self._promotion or self.promoted:
            return
        chosen = usable = self.library.most_used(self._programs(), _PROMOTED)
        for case in self._promotion:
            steps = len(case.panel.architectures)
            self._progress.stage(f"evaluating {len(usable)} formulas on networks of full size", steps)
            deadline = self.schedule.deadline(case.panel) if usable else None
            finite = case.panel.extend(usable, self._progress, deadline=deadline, least=LEAST_VISITED)
            usable = [node for node, flag in zip(usable, finite, strict=True) if flag]
            self._compute_leaves(case.panel)
            self._report_left_out(case.panel)
        self._evaluator.add(self._promotion)
        entries = assess(self._evaluator, usable)
        kept = {entry.reduction for entry in entries}
        for case in self._promotion:
            case.panel.table.forget([node for node in chosen if node not in kept])
        programs = [individual.program for individual in self.population if self._known(individual.program, kept)]
        programs += [entry.best for entry in entries]
        fitting = list(dict.fromkeys(filter(self.breeder.fits, programs)))
        promoted = self._born(fitting, origins(fitting, "building block"))  # of the others, the first birth counts
        if not any(HallOfFame.worth(individual) > -math.inf for individual in promoted):
            self._evaluator.drop(self._promotion)
            self._progress.message("no program of the population ranks networks of full size; the run goes on without")
            return
        self.library.keep(entries)
        self.promoted, self.hall = True, HallOfFame()
        self._select(promoted)

    @property
    def full_panels(self) -> list[Panel]:
        """After the promotion, the panel of each promoted task at full size, with the hall of fame's reductions."""
        return [case.panel for case in self._promotion] if self.promoted else []

    @property
    def converged(self) -> bool:
        """Whether neither generations nor expansions help any more."""
        return self._stagnant >= self.config.patience and not self._grows

    def left_out(self, task: int) -> dict[str, str]:
        """Return the networks of a task that are left out, with the reasons."""
        return self._evaluator.left_out(task)

    def expansion_is_due(self) -> bool:
        """Whether the next step begins with an expansion."""
        return self._stagnant >= self.config.patience and self._grows and not self.promoted

    @property
    def _grows(self) -> bool:
        return self._in_vain < _IN_VAIN and self.config.terminals != "measures"

    def _measure_progress(self) -> None:
        """Count the generations since the hall of fame became better."""
        best = max((HallOfFame.worth(member) for member in self.hall.members.values()), default=-math.inf)
        if best - self._best >= _GAIN or not math.isfinite(self._best):
            self._best, self._stagnant = best, 0
        else:
            self._stagnant += 1

    def _programs(self) -> list[Node]:
        return [individual.program for individual in [*self.hall.members.values(), *self.population]]

    def _draw(self, count: int, parents: Sequence[Node]) -> list[Node]:
        """Return new reductions: with a screening, the best among several times as many."""
        if self._screening is None:
            return self.library.propose(self._rng, count, parents)
        drawn = self.library.propose(self._rng, self.config.draws * count, parents)
        steps = sum(len(panel.architectures) for panel in self._screening.panels)
        self._progress.stage(f"screening {len(drawn)} formulas on few networks", steps)
        screened = self.library.screen(self._screening, drawn, count)
        for panel in self._screening.panels:  # a network that fails there would fail again
            failed = {name: reason for name, reason in panel.left_out.items() if reason != NOT_REACHED}
            for other in self._evaluator.panels:
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
        self.library.keep(assess(self._evaluator, self.library.reductions))
        members = [member.program for member in self.hall.members.values()]
        programs = [program for program in members if self._known(program)]
        self.hall = HallOfFame()
        self.hall.update(self.breeder.individuals(programs))
        self.population = self.breeder.individuals([individual.program for individual in self.population])

    def _begin_evaluation(self, count: int) -> None:
        steps = sum(len(panel.architectures) for panel in self._evaluator.panels)
        self._progress.stage(f"evaluating {count} formulas on the networks", steps)

    def _join(self, programs: Sequence[Node], made_by: Origins) -> None:
        """Let programs without parents join the population."""
        self._select([*self.population, *self._born(list(dict.fromkeys(programs)), made_by)])

    def _born(self, programs: Sequence[Node], births: Origins) -> list[Individual]:
        individuals = self.breeder.individuals(programs)
        for individual in individuals:
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
        return random_program(self._rng, self._rng.randint(0, 2), self.library.reductions, self._leaves)

    @property
    def screens(self) -> bool:
        """Whether reductions are screened on few networks first."""
        return self._screening is not None

    @property
    def cases(self) -> list[FitnessCase]:
        """The cases of evolution and of the screening."""
        return [*self._evaluator.cases, *(self._screening.cases if self._screening else ())]

    @property
    def promotion_cases(self) -> Sequence[FitnessCase]:
        """The cases at full size."""
        return self._promotion

    @property
    def _all_panels(self) -> list[Panel]:
        """The panels of evolution and of the screening."""
        return [*self._evaluator.panels, *(self._screening.panels if self._screening else ())]

    def _known(self, program: Node, reductions: Container[Node] | None = None) -> bool:
        """Whether a program reads known reductions, by default those of the library, and known leaves only."""
        known = self.library.entries if reductions is None else reductions
        leaves_known = all(node in self._leaves for node in network_leaves([program]))
        return leaves_known and all(node in known for node in reductions_of([program]))

    def _compute_leaves(self, *panels: Panel) -> None:
        """Compute the leaves of the network floor; those that are not finite on every usable network are left out."""
        names = list(self._leaf_names)
        for panel in panels if names else ():
            self._progress.stage(f"computing {len(names)} measures", len(panel.architectures))
            bounded = self.config.terminals == "measures"  # with formulas, their evaluation is bounded
            deadline = self.schedule.deadline(panel) if bounded else None
            finite = panel.extend_leaves(names, self._progress, deadline=deadline, least=LEAST_VISITED)
            for name, flag in zip(names, finite, strict=True):
                if not flag:
                    network, reason = next(iter(panel.leaf_failures.get(name, {"": "it is not finite"}).items()))
                    self._progress.message(f"{name} has no value on {network or 'a network'} and is left out: {reason}")
            names = [name for name, flag in zip(names, finite, strict=True) if flag]
        self._leaf_names, self._leaves = tuple(names), [leaf(name) for name in names]

    def _first_failure(self) -> str:
        failures = [f"{name}: {why}" for panel in self._evaluator.panels for name, why in panel.left_out.items()]
        return failures[0] if failures else "no network failed; the formulas are undefined or constant"

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
            "leaves": list(self._leaf_names),
            "left_out": [dict(panel.left_out) for panel in self._all_panels],
            "growth": [self._best, self._before_expansion, self._stagnant, self._in_vain],
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
        self._leaf_names = tuple(state["leaves"])
        self._compute_leaves(*self._evaluator.panels)
        self._begin_evaluation(len(state["library"]))
        self.library.restore(state)
        self.population = self.breeder.individuals([parse(text) for text in state["population"]])
        self.hall.restore(state["hall"])
        self.genealogy.restore(state["genealogy"])
        self._best, self._before_expansion, self._stagnant, self._in_vain = state["growth"]
        self.breeder.restore(state)
        self.generation = state["generation"]
        self._rng = from_json(state["random"])
