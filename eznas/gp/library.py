"""The library: the reductions whose vectors are known, from which programs are built."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.gp.grammar import options, random_reduction
from eznas.gp.variation import vary_reduction
from eznas.primitives import Kind
from eznas.programs import apply
from eznas.progress import SILENT, Progress
from eznas.status import Status

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Sequence

    from eznas.gp.fitness import FitnessEvaluator
    from eznas.programs import Node

__all__ = ["Entry", "Library"]

_DEEPEST = 3


@dataclass(frozen=True)
class Entry:
    """A known reduction.

    Args:
        reduction: The tree of kind UNIT.
        best: The single aggregation of it, negated where that ranks better, with the greatest tau.
        merit: That tau: the least over the conditions, on the training networks.
        key: Digest of the order in which it puts them, see ``Fitness``.
    """

    reduction: Node
    best: Node
    merit: float
    key: bytes


class Library:
    """TabularSignal reductions, at most ``size`` of them.

    A reduction enters only if it is finite on every unit of every training and validation network under every
    condition; what was tried once is not tried again.

    Args:
        evaluator: Holds the panels.
        size: Most reductions kept.
        progress: Advances after each network.
    """

    def __init__(self, evaluator: FitnessEvaluator, size: int, progress: Progress = SILENT) -> None:
        self.entries: dict[Node, Entry] = {}
        self.tried: set[str] = set()
        self.rejected: Counter[str] = Counter()
        self._evaluator = evaluator
        self._size = size
        self._progress = progress

    @property
    def reductions(self) -> list[Node]:
        """The known reductions, in the order in which they entered."""
        return list(self.entries)

    def propose(self, rng: random.Random, count: int, parents: Sequence[Node]) -> list[Node]:
        """Draw reductions that were never tried and are no parents.

        Half are variations of the parents, a quarter variations of any known reduction, and the rest fresh; all are
        fresh where nothing is known yet.
        """
        proposed: dict[str, Node] = {}
        known, given = self.reductions, set(parents)
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
            if node not in given and node.text not in self.tried and node.height <= 2 * _DEEPEST:
                proposed[node.text] = node
        return list(proposed.values())

    def race(self, screening: FitnessEvaluator, reductions: Sequence[Node], count: int) -> list[Node]:
        """Return the best of the reductions on few networks; the others count as tried.

        Of those that put the networks into the same order, one is returned. Where none ranks them, the first are
        returned.

        Args:
            screening: Holds panels of few networks.
            reductions: Which were never tried.
            count: Most to return.
        """
        lane = Library(screening, len(reductions), self._progress)
        distinct: dict[bytes, Node] = {}
        for entry in sorted(lane.add(reductions), key=lambda entry: (-entry.merit, entry.reduction.text)):
            distinct.setdefault(entry.key, entry.reduction)
        lane.keep([])
        chosen = list(distinct.values() or reductions)[:count]
        if distinct:
            self.rejected.update(lane.rejected)
        self.tried.update({node.text for node in reductions}.difference(node.text for node in chosen))
        return chosen

    def add(self, reductions: Sequence[Node]) -> list[Entry]:
        """Evaluate reductions on every network and keep the usable ones, which are returned."""
        new = [node for node in reductions if node.text not in self.tried]
        self.tried.update(node.text for node in new)
        usable = new
        for panel in self._evaluator.panels:
            finite = panel.extend(usable, self._progress, screen=True)
            usable = [node for node, flags in zip(usable, finite, strict=True) if flags.all()]
        entries = self.assess(usable)
        self.rejected[Status.NON_FINITE.value] += len(new) - len(usable)
        self.rejected[Status.CONSTANT.value] += len(usable) - len(entries)
        kept = {entry.reduction for entry in entries}
        for panel in self._evaluator.panels:
            panel.forget([node for node in new if node not in kept])
        self.entries |= {entry.reduction: entry for entry in entries}
        return entries

    def assess(self, reductions: Sequence[Node]) -> list[Entry]:
        """Return an entry for each reduction with an aggregation that has a tau, judged by the cases of now."""
        return [entry for entry in map(self._assess, reductions) if entry is not None]

    def _assess(self, reduction: Node) -> Entry | None:
        singles = [
            apply(option.primitive.name, reduction)
            for option in options(Kind.NETWORK)
            if option.args == (Kind.UNIT,) and not option.primitive.shape_only
        ]
        programs = singles + [apply("neg", single) for single in singles]
        verdicts = self._evaluator.judge(programs)
        valid = [
            (verdict.tau_train, program, verdict.key)
            for verdict, program in zip(verdicts, programs, strict=True)
            if verdict.status is Status.OK
        ]
        if not valid:
            return None
        merit, best, key = max(valid, key=lambda one: one[0])
        return Entry(reduction, best, merit, key)

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep these entries and no other reduction."""
        kept = {entry.reduction: entry for entry in entries}
        for panel in self._evaluator.panels:
            panel.forget([node for node in self.entries if node not in kept])
        self.entries = kept

    def prune(self, used: Collection[Node]) -> None:
        """Drop the reductions of least merit that no program uses, down to the size."""
        spare = [entry for node, entry in self.entries.items() if node not in used]
        spare.sort(key=lambda entry: (entry.merit, entry.reduction.text))
        dropped = [entry.reduction for entry in spare[: max(0, len(self.entries) - self._size)]]
        for node in dropped:
            del self.entries[node]
        for panel in self._evaluator.panels:
            panel.forget(dropped)
