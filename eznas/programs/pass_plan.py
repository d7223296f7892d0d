"""Splits the statistics of a network, and its units where this is necessary, into passes that fit into memory.

One pass serves all units, because the statistics of a unit are freed as soon as they are read. Statistics that are read
together with those of a later pass are held until then. They may need several runs of these passes, each for some of
the units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from eznas.capture import Passes
from eznas.errors import MemoryLimitError
from eznas.primitives import STATISTICS, Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from eznas.capture import Outline, Unit
    from eznas.minibatch import Minibatch


PLANNED = 0.9
"""Share of the memory to plan with; the rest is for errors of the estimates."""

WORKING = 4
"""Copies of the largest tensor of a unit that running a layer makes, or evaluating a reduction."""

_FORWARD = {"data": 0, "loss": 0, "noise": 1, "perturbed": 2}
_BACKWARD = {"loss": 1, "data": 2, "noise": 1, "perturbed": 1}
"""The order of the passes, and for each the order of its backward passes; see ``plan_passes``."""

Moment = tuple[int, int]
"""When a statistic is there: the number of the forward pass, and of its backward pass, 0 for the forward pass itself"""


@dataclass(frozen=True)
class PassPlan:
    """Passes, and the memory for evaluating while they run.

    Args:
        passes: The passes.
        working: Bytes for evaluating.
    """

    passes: Passes
    working: int


def plan_within(
    requests: Sequence[frozenset[str]],
    shape: Outline,
    minibatch: Minibatch,
    memory: int,
    of_images: Collection[str] = (),
) -> list[PassPlan]:
    """Return the passes in which requests are read within a memory bound.

    Args:
        requests: Sets of statistics of units that are read together.
        shape: The outline of the network, with its graph where a statistic is a gradient.
        minibatch: Images and labels.
        memory: Bytes for capturing and evaluating.
        of_images: The statistics of the images that are read too.

    Raises:
        MemoryLimitError: The statistics of a single unit do not fit.
    """
    planner = _Planner(shape, minibatch, memory, frozenset(of_images))
    together = planner.plan(requests, range(len(shape.units)))
    if together is not None and (together.passes.graph is None or not requests):
        return [together]
    if not requests:
        raise planner.error(requests, 0)
    left: list[frozenset[str]] = [*requests]
    plans: list[PassPlan] = []
    for gradients in (True, False):
        several = [request for request in left if planner.has_several(request) and _backward(request) == gradients]
        moments = {moment for request in several for moment in planner.moments(request)}
        group = [request for request in left if several and planner.moments(request) <= moments]
        left = [request for request in left if request not in group]
        plans += planner.runs(group)
    return plans + planner.runs(left)


@dataclass(frozen=True)
class _Planner:
    """Estimates the memory of passes.

    Args:
        shape: See ``plan_within``.
        minibatch: See ``plan_within``.
        memory: See ``plan_within``.
        of_images: See ``plan_within``.
    """

    shape: Outline
    minibatch: Minibatch
    memory: int
    of_images: frozenset[str]

    @cached_property
    def limit(self) -> int:
        """Bytes to plan with."""
        return int(PLANNED * self.memory)

    @cached_property
    def sizes(self) -> list[dict[Kind, int]]:
        """For each unit, the bytes of a statistic of each kind."""
        return [unit_bytes([unit], self.minibatch) for unit in self.shape.units]

    @cached_property
    def largest(self) -> int:
        """Bytes of the largest tensor of a unit."""
        return max(max(sizes[Kind.WEIGHT], sizes[Kind.INPUT], sizes[Kind.OUTPUT]) for sizes in self.sizes)

    @cached_property
    def attention(self) -> bool:
        """Whether there are units whose weight is computed from the images."""
        return any(unit.kind == "attention" for unit in self.shape.units)

    def moments(self, request: frozenset[str]) -> set[Moment]:
        """Return the moments at which the statistics of a request come."""
        names = _names([request])
        return {_moment(name) for name in names if name != "weight" or self.attention}

    def has_several(self, request: frozenset[str]) -> bool:
        """Return whether a request reads statistics of several forward passes, or of several backward passes."""
        moments = self.moments(request)
        return len({forward for forward, _ in moments}) > 1 or sum(backward > 0 for _, backward in moments) > 1

    def plan(self, requests: Sequence[frozenset[str]], places: Sequence[int]) -> PassPlan | None:
        """Return the passes that read requests of some units, all at once; None where they do not fit."""
        room = self.limit - self._needed(requests, places)
        if room < 0:
            return None
        passes = Passes(tuple(requests), tuple(places))
        working = WORKING * self.largest
        if not self._backward(requests):
            return PassPlan(passes, working + room)
        whole = self.shape.graph + self._beside(requests)
        if whole <= room:
            return PassPlan(passes, working + room - whole)
        graph = max(2 * self.shape.saved, room - min(working, room // 2))
        if graph > room:
            return None
        return PassPlan(Passes(tuple(requests), tuple(places), graph), working + room - graph)

    def runs(self, requests: Sequence[frozenset[str]]) -> list[PassPlan]:
        """Return passes that read requests of all units, some units after others.

        Where a graph does not fit, the units of a run hold at most as much as the part of the graph that is kept.

        Raises:
            MemoryLimitError: A single unit does not fit.
        """
        if not requests:
            return []
        plans: list[PassPlan] = []
        run: list[int] = []
        latest: PassPlan | None = None
        for place in range(len(self.shape.units)):
            plan = self.plan(requests, [*run, place])
            graph = plan.passes.graph if plan is not None else None
            crowded = graph is not None and run and self._held_bytes(requests, [*run, place]) > graph
            if latest is not None and (plan is None or crowded):
                plans.append(latest)
                run, plan = [], self.plan(requests, [place])
            if plan is None:
                raise self.error(requests, place)
            run, latest = [*run, place], plan
        if latest is not None:
            plans.append(latest)
        last = plans[-1].passes
        return [
            PassPlan(
                Passes(plan.passes.requests, plan.passes.places, plan.passes.graph, whole=plan.passes is last),
                plan.working,
            )
            for plan in plans
        ]

    def _backward(self, requests: Sequence[frozenset[str]]) -> bool:
        return any(map(_backward, [*requests, self.of_images]))

    def _needed(self, requests: Sequence[frozenset[str]], places: Sequence[int]) -> int:
        """Return the bytes of passes, their graph left out: of what lives in them, waits, is held and is evaluated."""
        gradients = self._backward(requests)
        images = len(self.of_images) * unit_bytes([], self.minibatch)[Kind.IMAGE]
        waiting = max(
            [_bytes(_names([request]), self.sizes[place]) for request in requests for place in places], default=0
        )
        weights = 0
        if any(name.startswith("weight_grad") for name in _names(requests)) and not self.attention:
            weights = sum(self.sizes[place][Kind.WEIGHT] for place in places)  # they come at the end of the pass
        return (
            images
            + waiting
            + weights
            + (2 if gradients else 1) * self.shape.live
            + WORKING * self.largest
            + self._held_bytes(requests, places)
        )

    def _held_bytes(self, requests: Sequence[frozenset[str]], places: Sequence[int]) -> int:
        """Return the bytes of the statistics that wait for a later forward pass, or of gradients for later ones."""
        moments = self._waiting_moments(requests)
        held = {
            name
            for name, last in _held(requests, moments).items()
            if STATISTICS[name].is_gradient or last[0] > moments[name][0]
        }
        return sum(_bytes(held, self.sizes[place]) for place in places)

    def _beside(self, requests: Sequence[frozenset[str]]) -> int:
        """Return the bytes of the values that wait for the backward pass, those left out that its graph holds."""
        moments = self._waiting_moments(requests)
        held = {
            STATISTICS[name].quantity
            for name, last in _held(requests, moments).items()
            if not STATISTICS[name].is_gradient and last[0] == moments[name][0]
        }
        return sum(self.shape.beside.get(quantity, 0) for quantity in held)

    def _waiting_moments(self, requests: Sequence[frozenset[str]]) -> dict[str, Moment]:
        return {name: _moment(name) for name in _names(requests) if name != "weight" or self.attention}

    def error(self, requests: Sequence[frozenset[str]], place: int) -> MemoryLimitError:
        """Return the error that says how much memory the passes of one unit need."""
        graph = 2 * self.shape.saved if self._backward(requests) else 0
        names = sorted({*frozenset[str]().union(*requests), *self.of_images})
        needed = self._needed(requests, [place]) + graph
        task = f"capture {', '.join(names)} of this network on {len(self.minibatch)} images"
        return MemoryLimitError(refusal(task, needed, self.memory))


def _moment(name: str) -> Moment:
    statistic = STATISTICS[name]
    scenario = statistic.scenario or "data"
    return _FORWARD[scenario], _BACKWARD[scenario] if statistic.is_gradient else 0


def _names(requests: Sequence[frozenset[str]]) -> frozenset[str]:
    """Return the names of all statistics, those that are subtracted included."""
    names = frozenset[str]().union(*requests)
    return names | ({STATISTICS[name].minus for name in names} - {""})


def _held(requests: Sequence[frozenset[str]], moments: Mapping[str, Moment]) -> dict[str, Moment]:
    """Return the statistics that wait for others, with the moment of the last of these.

    Args:
        requests: Sets of statistics that are read together.
        moments: The moments of the statistics that may wait.
    """
    last = dict(moments)
    for request in requests:
        names = _names([request])
        latest = max([moments[name] for name in names if name in moments], default=None)
        for name in names:
            if latest is not None and name in last:
                last[name] = max(last[name], latest)
    return {name: moment for name, moment in last.items() if moment > moments[name]}


def _backward(names: Collection[str]) -> bool:
    return any(STATISTICS[name].is_gradient for name in names)


def _bytes(names: Collection[str], sizes: Mapping[Kind, int]) -> int:
    return sum(sizes[STATISTICS[name].kind] for name in names)


def unit_bytes(units: Sequence[Unit], minibatch: Minibatch) -> dict[Kind, int]:
    """Return the bytes of one statistic of each kind over some units; images count once, whatever the units."""
    item = minibatch.images.element_size()
    shapes = [(unit.weight_shape, unit.input_shape, unit.output_shape) for unit in units]
    return {
        Kind.WEIGHT: sum(math.prod(shape) for shape, _, _ in shapes) * item,
        Kind.INPUT: sum(math.prod(shape) for _, shape, _ in shapes) * item,
        Kind.OUTPUT: sum(math.prod(shape) for _, _, shape in shapes) * item,
        Kind.IMAGE: minibatch.images.numel() * item,
    }


def refusal(task: str, needed: float, share: int) -> str:
    """Return the sentence that says that the share of a process is too little for a task, and what to do.

    Args:
        task: What the process would do.
        needed: The bytes to plan with that the task needs.
        share: The bytes that the process may take.
    """
    return (
        f"memory must be at least {written(needed / PLANNED)} for each process to {task}, got {written(share)}, which "
        "is the share of each process; the processes divide the memory, so give more memory, fewer workers or fewer "
        "images"
    )


def written(size: float) -> str:
    """Write bytes, rounded up."""
    if size >= 2**30:
        return f"{math.ceil(size * 10 / 2**30) / 10:.1f}G"
    return f"{math.ceil(size / 2**20)}M" if size >= 10 * 2**20 else f"{math.ceil(size / 2**10)}K"
