"""Panels: networks under one condition on which reductions are evaluated.

A reduction's values on a network are one number a unit, about fifty floats; the statistics under it are megabytes. So
the networks run once for each batch of new reductions, and programs made of known reductions never need them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import EznasError, OutOfTimeError
from eznas.programs import leaf
from eznas.progress import SILENT, Progress
from eznas.scoring.evaluate_leaves import evaluate_leaves
from eznas.scoring.evaluate_networks import Vectors
from eznas.scoring.executor import SERIAL, Executor
from eznas.scoring.left_out import CHANGED, FAILED, NOT_REACHED, SLOW, UNDEFINED, left_out_messages
from eznas.scoring.network_leaves import measures_read
from eznas.scoring.network_runner import Limits, NetworkRunner
from eznas.scoring.vector_table import VectorTable
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from numpy.typing import NDArray

    from eznas.programs import Node
    from eznas.scoring.condition import Condition
    from eznas.scoring.vector_store import VectorStore
    from eznas.status import Score


_SCREENED = 2
"""Networks on which a reduction must be finite before it is evaluated on the others."""

_JUDGED = 8
"""Reductions from which on the number of finite ones says whether a network is credible."""

_SLOW, _SLOW_SECONDS = 20.0, 1.0
"""Where there is a deadline, a slow network takes longer than so many times the median, and longer than the seconds."""

_TIMED = 8
"""Networks from which on there is a median."""

_CREDIBLE = 0.5
"""The least number of finite reductions of a credible network, as a share of that of the network with the most."""


def _judges(vectors: Vectors) -> bool:
    """Whether a network is one to judge reductions by: something is finite on it, unless few reductions were tried."""
    return len(vectors.values) < _JUDGED or bool(np.isfinite(vectors.values).all(axis=1).any())


class Panel:
    """Networks under one condition.

    A network that fails, ends its process or has too few finite values is left out from then on, and so are the
    networks that the first evaluation does not reach before its deadline. It has no units in the table and no score.

    Args:
        condition: How the networks are built and run.
        architectures: ``n`` different architectures, in the order of every score vector.
        store: Holds vectors of earlier runs and takes new ones; None for no store.
        executor: Runs the networks.
        least_usable: The number of networks that must not be left out.

    Raises:
        ValueError: An architecture is there twice.

    Attributes:
        table: The vectors of the reductions known so far.
        left_out: For each network that is left out, the reason, in words that continue "because".
        leaf_failures: For each leaf, and each usable network on which it has no value, the reason.
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
        if repeated := len(architectures) - len(set(architectures)):
            raise ValueError(f"architectures must differ, but {repeated} repeat an earlier one; leave these out")
        self.condition = condition
        self.architectures = tuple(architectures)
        self.executor = executor
        self.table = VectorTable()
        self.left_out: dict[str, str] = {}
        self.leaf_failures: dict[str, dict[str, str]] = {}
        self._store = store
        self._least_usable = least_usable
        self._runner = NetworkRunner(condition, store, executor)

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
            least: The number of first usable networks that run in any case; without effect on later evaluations.

        Returns:
            For each reduction, whether its values are finite on every unit of every usable network.

        Raises:
            EznasError: Too few networks are usable.
            OutOfTimeError: The deadline passed, and this was not the first evaluation; nothing is known of the new
                reductions.
        """
        new = self.table.missing(reductions)
        if new:
            in_any_case = frozenset(self._left()[:least] if self.table.units is None else ())
            self._learn(new, Limits(progress, deadline, in_any_case), screen=screen)
        usable = self.usable
        return [bool(flags[usable].all()) for flags in self.table.finite(reductions)]

    def extend_leaves(
        self, names: Sequence[str], progress: Progress = SILENT, *, deadline: float | None = None, least: int = 0
    ) -> list[bool]:
        """Compute new leaves of the network floor on every usable network; a network without a value has NaN.

        Each network is built once for all measures, which share their passes. Features are computed from the
        architectures alone. The first leaves leave out the networks behind the first one that was not reached before
        the deadline, and all leaves the networks on which no measure can be computed.

        Args:
            names: Names such as ``"measure.synflow"`` and ``"graf.conv_1x1"``; known ones are not computed again.
            progress: Advances after each network.
            deadline: See ``extend``.
            least: See ``extend``.

        Returns:
            For each name, whether every usable network has a finite value.

        Raises:
            InputError: There is no such measure or feature, or a name is a column of a score file.
            EznasError: Too few networks are usable.
            OutOfTimeError: The deadline passed, and these were not the first leaves, of which nothing is known.
        """
        leaves = [leaf(name) for name in names]
        new = [node for node in dict.fromkeys(leaves) if node not in self.table.leaves]
        if new:
            left, least = self._left(), 0 if self.table.leaves else least
            rows = evaluate_leaves(
                new, self.condition, left, self._store, self.executor, progress, deadline=deadline, least=least
            )
            reached = [dict(zip(new, scores, strict=True)) for scores in zip(*rows.values(), strict=True)]
            self._learn_leaves(new, dict(zip(left, reached, strict=False)))
        usable = self.usable
        return [bool(flags[usable].all()) for flags in self.table.finite(leaves)]

    def _learn_leaves(self, new: Sequence[Node], scores: Mapping[str, Mapping[Node, Score]]) -> None:
        if len(scores) < len(self._left()) and self.table.leaves:
            raise self._out_of_time(len(scores), len(self._left()))
        self._leave_out_behind(scores)
        self._leave_out_without_measures(scores)
        usable = {name: row for name, row in scores.items() if name not in self.left_out}
        for node in new:
            values = [usable[name][node].value if name in usable else math.nan for name in self.architectures]
            self.table.learn_leaves({node: np.array(values)})
            if failed := {name: row[node].detail for name, row in usable.items() if not row[node].ok}:
                self.leaf_failures[node.name] = failed

    def _leave_out_without_measures(self, scores: Mapping[str, Mapping[Node, Score]]) -> None:
        """Leave out the networks on which no measure has a value, or too few of many measures."""
        rows = {name: [score for node, score in row.items() if measures_read([node])] for name, row in scores.items()}
        finite = {name: sum(score.ok for score in row) for name, row in rows.items()}
        most = max(finite.values(), default=0)
        reasons: dict[str, str] = {}
        for name, row in rows.items():
            if most and not finite[name]:
                kind = FAILED if row[0].status in (Status.EXCEPTION, Status.MEMORY_LIMIT) else UNDEFINED
                reasons[name] = f"{kind}: {row[0].detail}"
            elif len(row) >= _JUDGED and finite[name] < _CREDIBLE * most:
                reasons[name] = (
                    f"{UNDEFINED}: {finite[name]} measures have a value on it, and {most} on another network"
                )
        self.leave_out(reasons)

    def _left(self) -> list[str]:
        """Return the networks that are not left out."""
        return [architecture for architecture in self.architectures if architecture not in self.left_out]

    def _learn(self, new: Sequence[Node], limits: Limits, *, screen: bool) -> None:
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
            if limits.deadline is not None and self.table.units is None:
                self._leave_out_slow(fit, evaluated, limits.deadline)
            nothing = Vectors(0, np.empty((len(fit), 0)))
            usable = set(self._left())
            self.table.learn(fit, [evaluated[name] if name in usable else nothing for name in self.architectures])
        known = set(fit)
        if unfit := [node for node in new if node not in known]:
            units = self.table.units or []
            self.table.learn(unfit, [Vectors(count, np.full((len(unfit), count), np.nan)) for count in units])

    def _screen(self, new: Sequence[Node], limits: Limits) -> tuple[dict[str, Vectors], list[int]]:
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

    def _leave_out_behind(self, evaluated: Container[str]) -> None:
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

    def _leave_out_slow(self, reductions: Sequence[Node], evaluated: Mapping[str, Vectors], deadline: float) -> None:
        """Leave out the networks that take far longer than most, also a second time: the first one may load code."""
        seconds = {name: evaluated[name].seconds for name in self._left() if evaluated[name].seconds}
        if len(seconds) < _TIMED:
            return
        median = float(np.median([*seconds.values()]))
        most = max(_SLOW_SECONDS, _SLOW * median)
        slow = [name for name, spent in seconds.items() if spent > most]
        again = self._runner.evaluate_again(reductions, slow, deadline)
        self.leave_out(
            {
                name: vectors.failure or f"{SLOW}: it takes {vectors.seconds:.1f} s, and most take {median:.2f} s"
                for name, vectors in again.items()
                if vectors.failure or vectors.seconds > most
            }
        )

    def _evaluate(self, reductions: Sequence[Node], architectures: Sequence[str], limits: Limits) -> dict[str, Vectors]:
        """Return the values of reductions on the networks that began in time.

        Raises:
            OutOfTimeError: Some did not begin, and the numbers of units are known from an earlier evaluation.
        """
        evaluated = self._runner.evaluate(reductions, architectures, limits)
        if len(evaluated) < len(architectures) and self.table.units is not None:
            raise self._out_of_time(len(evaluated), len(architectures))
        return evaluated

    def _out_of_time(self, evaluated: int, networks: int) -> OutOfTimeError:
        message = f"the time was over when {evaluated} of {networks} networks ({self.condition}) had been evaluated"
        return OutOfTimeError(message)
