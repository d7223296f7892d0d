"""Panels: networks under one condition on which reductions are evaluated.

A reduction's values on a network are one number a unit, about fifty floats; the statistics under it are megabytes. So
the networks run once for each batch of new reductions, and programs made of known reductions never need them.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import EznasError, OutOfTimeError
from eznas.progress import SILENT, Progress
from eznas.scoring.evaluate_networks import TOGETHER, NetworkBatch, Vectors, evaluate_networks
from eznas.scoring.executor import SERIAL, Executor
from eznas.scoring.left_out import CHANGED, LOST, NOT_REACHED, UNDEFINED, left_out_messages
from eznas.scoring.vector_table import VectorTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring.condition import Condition
    from eznas.scoring.vector_store import VectorStore


_SCREENED = 2
"""Networks on which a reduction must be finite before it is evaluated on the others."""

_TURNS = 2
"""Batches for each process at least, so that all processes end at about the same time."""

_JUDGED = 8
"""Reductions from which on the number of finite ones says whether a network is credible."""

_CREDIBLE = 0.5
"""The least number of finite reductions of a credible network, as a share of that of the network with the most."""


@dataclass(frozen=True)
class _Limits:
    """How far an evaluation goes.

    Args:
        progress: Advances after each network.
        deadline: The value of ``time.time()`` from which on no network begins; None for no deadline.
        in_any_case: The networks that run after the deadline too.
    """

    progress: Progress
    deadline: float | None
    in_any_case: frozenset[str]


def _judges(vectors: Vectors) -> bool:
    """Whether a network is one to judge reductions by: something is finite on it, unless few reductions were tried."""
    return len(vectors.values) < _JUDGED or bool(np.isfinite(vectors.values).all(axis=1).any())


class Panel:
    """Networks under one condition.

    A network that fails, ends its process or has too few finite values is left out from then on, and so are the
    networks that the first evaluation does not reach before its deadline. It has no units in the table and no score.

    Args:
        condition: How the networks are built and run.
        architectures: ``n`` architectures, in the order of every score vector.
        store: Holds vectors of earlier runs and takes new ones; None for no store.
        executor: Runs the networks.
        least_usable: The number of networks that must not be left out.

    Attributes:
        table: The vectors of the reductions known so far.
        left_out: For each network that is left out, the reason, in words that continue "because".
    """

    def __init__(
        self,
        condition: Condition,
        architectures: Sequence[str],
        store: VectorStore | None = None,
        executor: Executor = SERIAL,
        *,
        least_usable: int = 1,
    ) -> None:
        self.condition = condition
        self.architectures = tuple(architectures)
        self.executor = executor
        self.table = VectorTable()
        self.left_out: dict[str, str] = {}
        self._store = store
        self._least_usable = least_usable
        self._captured = 0  # bytes of a network's statistics at most

    @property
    def usable(self) -> NDArray[np.bool_]:
        """``n`` flags: whether the network is not left out."""
        return np.array([architecture not in self.left_out for architecture in self.architectures], dtype=bool)

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Leave networks out from here on.

        Args:
            reasons: For each architecture the reason, as in ``left_out``, such as that of an earlier run.

        Raises:
            EznasError: Too few networks are left.
        """
        new = [architecture for architecture in self.architectures if architecture in reasons.keys() - self.left_out]
        self.left_out |= {architecture: reasons[architecture] for architecture in new}
        if new:
            self.table.leave_out({self.architectures.index(architecture) for architecture in new})
        if (usable := int(self.usable.sum())) < self._least_usable:
            messages = left_out_messages(self.left_out, len(self.architectures), self.condition)
            raise EznasError(
                f"at least {self._least_usable} networks must be usable, got {usable}: {'; '.join(messages)}"
            )

    def extend(
        self,
        reductions: Sequence[Node],
        progress: Progress = SILENT,
        *,
        screen: bool = False,
        deadline: float | None = None,
        least: int = 0,
    ) -> list[bool]:
        """Evaluate new reductions on every usable network; of those that ``simplify_exact`` makes equal, one.

        The first evaluation leaves out the networks behind the first one that it did not reach before the deadline, so
        that the usable networks do not depend on the order in which processes end.

        Args:
            reductions: Reductions; those that are known already are not evaluated again.
            progress: Advances after each network.
            screen: Whether to evaluate on two networks first, and on the others only the reductions that are finite
                there; the rest is NaN everywhere.
            deadline: The value of ``time.time()`` from which on no network begins; None for no deadline.
            least: The number of first usable networks that run in any case.

        Returns:
            For each reduction, whether its values are finite on every unit of every usable network.

        Raises:
            EznasError: Too few networks are usable.
            OutOfTimeError: The deadline passed, and this was not the first evaluation; nothing is known of the new
                reductions.
        """
        new = self.table.missing(reductions)
        if new:
            self._learn(new, _Limits(progress, deadline, frozenset(self._left()[:least])), screen=screen)
        usable = self.usable
        return [bool(flags[usable].all()) for flags in self.table.finite(reductions)]

    def _left(self) -> list[str]:
        """Return the networks that are not left out."""
        return [architecture for architecture in self.architectures if architecture not in self.left_out]

    def _learn(self, new: Sequence[Node], limits: _Limits, *, screen: bool) -> None:
        evaluated: dict[str, Vectors] = {}
        fit = list(new)
        if screen and len(self._left()) > _SCREENED:
            evaluated, rows = self._screen(new, limits)
            fit = [new[row] for row in rows]
            evaluated = {
                architecture: dataclasses.replace(vectors, values=vectors.values[rows])
                for architecture, vectors in evaluated.items()
            }
        if fit:
            rest = [architecture for architecture in self._left() if architecture not in evaluated]
            evaluated |= self._evaluate(fit, rest, limits)
            self._leave_out_behind(evaluated)
            self._leave_out_incredible(evaluated)
            nothing = Vectors(0, np.empty((len(fit), 0)))
            usable = set(self._left())
            self.table.learn(fit, [evaluated[name] if name in usable else nothing for name in self.architectures])
        known = set(fit)
        if unfit := [node for node in new if node not in known]:
            units = self.table.units or []
            self.table.learn(unfit, [Vectors(count, np.full((len(unfit), count), np.nan)) for count in units])

    def _screen(self, new: Sequence[Node], limits: _Limits) -> tuple[dict[str, Vectors], list[int]]:
        """Evaluate reductions on the first two credible networks; return the values and the finite reductions."""
        evaluated: dict[str, Vectors] = {}
        while True:
            judges = [name for name in self._left() if name in evaluated and _judges(evaluated[name])]
            coming = [name for name in self._left() if name not in evaluated][: _SCREENED - len(judges)]
            if not coming:
                break
            begun = self._evaluate(new, coming, limits)
            evaluated |= begun
            if len(begun) < len(coming):
                break
            self._leave_out_incredible(evaluated)
        rows = [
            row
            for row in range(len(new))
            if judges and all(np.isfinite(evaluated[name].values[row]).all() for name in judges)
        ]
        if not rows and self.table.units is None:
            rows = [0]  # for the numbers of units
        return evaluated, rows

    def _leave_out_behind(self, evaluated: Mapping[str, Vectors]) -> None:
        """Leave out the networks from the first one on that was not evaluated."""
        left = self._left()
        missing = next((place for place, name in enumerate(left) if name not in evaluated), len(left))
        self.leave_out(dict.fromkeys(left[missing:], NOT_REACHED))

    def _leave_out_incredible(self, evaluated: Mapping[str, Vectors]) -> None:
        """Leave out the networks that failed or have too few finite values."""
        before = dict(zip(self.architectures, self.table.units or [], strict=False))
        reasons: dict[str, str] = {}
        finite: dict[str, int] = {}
        for name in self._left():
            if (vectors := evaluated.get(name)) is None:
                continue
            if vectors.failure:
                reasons[name] = vectors.failure
            elif (units := before.get(name, vectors.units)) != vectors.units:
                reasons[name] = f"{CHANGED}: it has {vectors.units} units, and had {units} before"
            elif len(vectors.values) >= _JUDGED:
                finite[name] = int(np.isfinite(vectors.values).all(axis=1).sum())
        most = max(finite.values(), default=0)
        reasons |= {
            name: f"{UNDEFINED}: {count} formulas are finite on it, and {most} on another network"
            for name, count in finite.items()
            if count < _CREDIBLE * most
        }
        self.leave_out(reasons)

    def _evaluate(
        self, reductions: Sequence[Node], architectures: Sequence[str], limits: _Limits
    ) -> dict[str, Vectors]:
        """Return the values of reductions on the networks that began in time, from the store or by running them.

        Raises:
            OutOfTimeError: Some did not begin, and the numbers of units are known from an earlier evaluation.
        """
        texts = tuple(node.text for node in reductions)
        evaluated: dict[str, Vectors] = {}
        for architecture in architectures:
            if (values := self._stored(architecture, texts)) is not None:
                evaluated[architecture] = Vectors(values.shape[1], values)
                limits.progress.advance()
        left = [architecture for architecture in architectures if architecture not in evaluated]
        in_any_case = [architecture for architecture in left if architecture in limits.in_any_case]
        others = [architecture for architecture in left if architecture not in limits.in_any_case]
        for part, deadline in ((in_any_case, None), (others, limits.deadline)):
            for architecture, vectors in self._run(texts, part, deadline):
                evaluated[architecture] = vectors
                self._captured = max(self._captured, vectors.captured)
                if self._store is not None and not vectors.failure:
                    self._store.save(self._key(architecture), texts, vectors.values)
                limits.progress.advance()
        if len(evaluated) < len(architectures) and self.table.units is not None:
            raise OutOfTimeError(
                f"the time was over when {len(evaluated)} of {len(architectures)} networks ({self.condition}) had been "
                f"evaluated"
            )
        return evaluated

    def _run(
        self, texts: tuple[str, ...], architectures: Sequence[str], deadline: float | None
    ) -> Iterator[tuple[str, Vectors]]:
        """Run networks, and yield the values of reductions on those that began before the deadline."""
        executor = self.executor
        memory, captures = executor.memory, executor.captures
        call = functools.partial(evaluate_networks, self.condition, texts, memory, captures, deadline=deadline)

        def lost(_: NetworkBatch, sentence: str) -> list[Vectors]:
            return [Vectors(0, np.empty((len(texts), 0)), f"{LOST}: {sentence}")]

        for batches in self._batches(architectures, executor.workers):
            results = executor.map(call, batches, singly=NetworkBatch.singly, lost=lost, deadline=deadline)
            for batch, begun in results:
                yield from zip(batch, begun, strict=False)

    def _batches(self, architectures: Sequence[str], processes: int) -> Iterator[list[NetworkBatch]]:
        """Cut networks into batches: single ones until the memory that a network takes is known."""
        left = list(architectures)
        while left and not self._captured:
            yield NetworkBatch(left[:processes]).singly()
            del left[:processes]
        turns = 1 if processes == 1 else _TURNS * processes
        size = max(1, min(TOGETHER // max(self._captured, 1), -(-len(left) // turns)))
        # Networks are dealt to the batches that run at the same time: those done at any time are nearly the first ones.
        turn = size * processes
        yield [
            NetworkBatch(left[start + first : start + turn : processes])
            for start in range(0, len(left), turn)
            for first in range(min(processes, len(left) - start))
        ]

    def _stored(self, architecture: str, texts: Sequence[str]) -> NDArray[np.float64] | None:
        return None if self._store is None else self._store.load(self._key(architecture), texts)

    def _key(self, architecture: str) -> str:
        return f"{self.condition.key}|{architecture}"
