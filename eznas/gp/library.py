"""The library: the reductions whose vectors are known, from which programs are built."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eznas.errors import EznasError, OutOfTimeError
from eznas.gp.grammar import options, random_reduction
from eznas.gp.schedule import Schedule
from eznas.gp.variation import vary_reduction
from eznas.primitives import Kind
from eznas.programs import apply, parse
from eznas.progress import SILENT, Progress
from eznas.status import Status

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Mapping, Sequence

    from eznas.gp.fitness import FitnessEvaluator
    from eznas.programs import Node


LEAST_VISITED = 24
"""Networks of a panel that a reduction is evaluated on at least, however short the time is."""

SCREENED = 20
"""Training networks of each task that reductions are screened on; runs with less than twice as many screen none."""

_DEEPEST = 3

_ASSESSED = 8
"""Reductions that are assessed at once: their aggregations are about as many programs as a generation has."""


@dataclass(frozen=True)
class Entry:
    """A known reduction.

    Args:
        reduction: The tree of kind UNIT.
        best: The single aggregation of it, negated where that ranks better, of the greatest merit.
        merit: The mean of its taus on the tasks, training networks.
        key: Digest of the order in which it puts them, see ``Fitness``.
    """

    reduction: Node
    best: Node
    merit: float
    key: bytes


class Library:
    """Known reductions, at most ``size`` of them.

    A reduction enters only if it is finite on every unit of every training and validation network under every
    condition. No reduction is tried twice.

    Args:
        evaluator: Holds the panels and ranks reductions.
        size: Most reductions kept.
        schedule: Bounds the time of panels.
        progress: Advances after each network.
    """

    def __init__(
        self, evaluator: FitnessEvaluator, size: int, schedule: Schedule | None = None, progress: Progress = SILENT
    ) -> None:
        self.entries: dict[Node, Entry] = {}
        self.rejected: Counter[str] = Counter()
        self._tried: set[str] = set()
        self._evaluator = evaluator
        self._size = size
        self._schedule = schedule or Schedule()
        self._progress = progress

    @property
    def reductions(self) -> list[Node]:
        """The known reductions, in the order in which they entered."""
        return list(self.entries)

    @property
    def tried(self) -> int:
        """The number of reductions tried so far."""
        return len(self._tried)

    def propose(self, rng: random.Random, count: int, parents: Sequence[Node]) -> list[Node]:
        """Draw reductions that were never tried and are no parents.

        Half are variations of the parents, a quarter variations of any known reduction, and the rest fresh; all are
        fresh where nothing is known yet.
        """
        proposed: dict[str, Node] = {}
        known, old = self.reductions, set(parents)
        for _ in range(100 * count):
            if len(proposed) == count:
                break
            way = rng.random()
            if parents and way < 0.5:  # noqa: PLR2004 - half
                node = vary_reduction(rng, rng.choice(parents), known or parents)
            elif known and way < 0.75:  # noqa: PLR2004 - a quarter
                node = vary_reduction(rng, rng.choice(known), known)
            else:
                node = random_reduction(rng, rng.randint(0, _DEEPEST))
            if node not in old and node.text not in self._tried and node.height <= 2 * _DEEPEST:
                proposed[node.text] = node
        return list(proposed.values())

    def screen(self, screening: FitnessEvaluator, reductions: Sequence[Node], count: int) -> list[Node]:
        """Return the best of the reductions on few networks; the others count as tried.

        Successive halving: on each further task, the same share of the reductions goes on, by merit on the tasks so
        far. Of reductions that rank the networks alike, one is returned. Where none ranks them, the first are returned.

        Args:
            screening: Holds panels of few networks.
            reductions: Reductions that were never tried.
            count: Most to return.
        """
        left = list(reductions)
        stages = screening.stages
        for number, stage in enumerate(stages, start=1):
            try:
                entries, rejected = self._evaluate(stage, left)
            except OutOfTimeError:
                _forget(screening, left)
                raise
            distinct: dict[bytes, Node] = {}
            for entry in sorted(entries, key=lambda entry: (-entry.merit, entry.reduction.text)):
                distinct.setdefault(entry.key, entry.reduction)
            if not distinct:
                break
            self.rejected.update(rejected)
            share = (count / len(reductions)) ** (number / len(stages))
            left = list(distinct.values())[: max(count, math.ceil(share * len(reductions)))]
            kept = set(left)
            _forget(stage, [entry.reduction for entry in entries if entry.reduction not in kept])
        _forget(screening, left)
        chosen = left[:count]
        self._tried.update({node.text for node in reductions}.difference(node.text for node in chosen))
        return chosen

    def add(self, reductions: Sequence[Node]) -> list[Entry]:
        """Evaluate reductions on every network and keep the usable ones, which are returned.

        Raises:
            OutOfTimeError: The schedule ended before; nothing is known of the reductions.
        """
        new = [node for node in reductions if node.text not in self._tried]
        self._tried.update(node.text for node in new)
        try:
            entries, rejected = self._evaluate(self._evaluator, new)
        except OutOfTimeError:
            _forget(self._evaluator, new)
            raise
        self.rejected.update(rejected)
        self.entries |= {entry.reduction: entry for entry in entries}
        return entries

    def _evaluate(self, evaluator: FitnessEvaluator, reductions: Sequence[Node]) -> tuple[list[Entry], dict[str, int]]:
        """Return the usable reductions, and the number of the others by status; only the usable ones stay known."""
        finite = reductions
        for panel in evaluator.panels:
            # The first evaluation may leave networks out; a later one needs all, whichever panel takes the time.
            deadline = self._schedule.deadline(panel) if panel.table.units is None else self._schedule.end
            flags = panel.extend(finite, self._progress, screen=True, deadline=deadline, least=LEAST_VISITED)
            finite = [node for node, usable in zip(finite, flags, strict=True) if usable]
        entries = assess(evaluator, finite)
        usable = {entry.reduction for entry in entries}
        _forget(evaluator, [node for node in reductions if node not in usable])
        rejected = {
            Status.NON_FINITE.value: len(reductions) - len(finite),
            Status.CONSTANT.value: len(finite) - len(entries),
        }
        return entries, rejected

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep these entries and no other reduction."""
        kept = {entry.reduction: entry for entry in entries}
        _forget(self._evaluator, [node for node in self.entries if node not in kept])
        self.entries = kept

    def prune(self, used: Collection[Node]) -> None:
        """Drop the reductions of least merit that no program uses, down to the size."""
        spare = [entry for node, entry in self.entries.items() if node not in used]
        spare.sort(key=lambda entry: (entry.merit, entry.reduction.text))
        dropped = [entry.reduction for entry in spare[: max(0, len(self.entries) - self._size)]]
        for node in dropped:
            del self.entries[node]
        _forget(self._evaluator, dropped)

    def state(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, ready for JSON."""
        return {
            "library": [node.text for node in self.entries],
            "tried": sorted(self._tried),
            "rejected": dict(self.rejected),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state; the reductions' vectors are evaluated anew.

        Raises:
            EznasError: Some reductions are not finite any more.
        """
        reductions = [parse(text, Kind.UNIT) for text in state["library"]]
        self.add(reductions)
        if self.reductions != reductions:
            raise EznasError(
                "the networks must give the values that they gave when the checkpoint was written, but some reductions "
                "are not finite any more; resume on the same device and with the same versions"
            )
        self._tried, self.rejected = set(state["tried"]), Counter(state["rejected"])


def assess(evaluator: FitnessEvaluator, reductions: Sequence[Node]) -> list[Entry]:
    """Return an entry for each reduction with an aggregation that has a tau."""
    entries = []
    for start in range(0, len(reductions), _ASSESSED):
        aggregations = {
            reduction: _with_negations(single_aggregations(reduction))
            for reduction in reductions[start : start + _ASSESSED]
        }
        programs = [program for of_one in aggregations.values() for program in of_one]
        fitness = dict(zip(programs, evaluator.evaluate(programs), strict=True))
        for reduction, of_one in aggregations.items():
            valid = [program for program in of_one if fitness[program].status is Status.OK]
            if valid:
                merits = {program: statistics.fmean(fitness[program].tasks) for program in valid}
                best = max(valid, key=merits.__getitem__)
                entries.append(Entry(reduction, best, merits[best], fitness[best].key))
    return entries


def single_aggregations(reduction: Node) -> list[Node]:
    """Return the reduction below each aggregation that takes no other argument."""
    return [
        apply(option.primitive.name, reduction)
        for option in options(Kind.NETWORK)
        if option.args == (Kind.UNIT,) and not option.primitive.shape_only
    ]


def _with_negations(programs: Sequence[Node]) -> list[Node]:
    return [*programs, *(apply("neg", program) for program in programs)]


def _forget(evaluator: FitnessEvaluator, reductions: Sequence[Node]) -> None:
    for panel in evaluator.panels:
        panel.table.forget(reductions)
