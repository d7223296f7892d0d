"""Scores of one network: the three floors together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.capture import NoUnitsError, Unit, capture, translated_errors, with_tensor_input
from eznas.errors import NETWORK_FAILURES, InputError, MemoryLimitError
from eznas.primitives import STATISTICS
from eznas.programs.memory import BoundedReductions, fits, memory_left
from eznas.programs.plan import Trace
from eznas.programs.tensor_floor import evaluate_reductions, reductions, statistics
from eznas.programs.tree import Node, network_leaves
from eznas.programs.upper_floors import Layout, evaluate_upper
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from eznas.minibatch import Minibatch


def evaluate(
    programs: Sequence[Node],
    network: nn.Module,
    minibatch: Minibatch,
    units: str = "auto",
    *,
    memory: int | None = None,
    leaves: Mapping[Node, Score] | None = None,
) -> list[Score]:
    """Score one network with many programs, from one capture of the statistics that they read.

    The network does not run where programs read leaves of the network floor alone.

    Args:
        programs: Roots of kind NETWORK.
        network: Left as it was found.
        minibatch: Images and labels.
        units: Which layers are units: see ``capture``.
        memory: Bytes for capturing and evaluating; None for no bound. It does not change a score.
        leaves: The scores of the leaves of the network floor, such as ``measure.synflow``, on the network.

    Returns:
        One score for each program. NO_UNITS where the network has no unit; EXCEPTION where capturing or a primitive
        raised, for each program alone; MEMORY_LIMIT where ``memory`` is too little for a program; NON_FINITE where the
        value is NaN or infinite; the status of a leaf without a value. The detail of a score gives the reason.

    Raises:
        InputError: ``leaves`` lacks a leaf.
    """
    given = {} if leaves is None else leaves
    for leaf in network_leaves(programs):
        if leaf not in given:
            raise InputError(f"leaves must hold the score of {leaf} on the network; eznas.measure computes measures")
    values = {leaf: torch.tensor([score.value], dtype=torch.float64) for leaf, score in given.items()}
    scores: dict[Node, Score] = {}
    reading: list[Node] = []
    for program in dict.fromkeys(programs):
        undefined = next((leaf for leaf in network_leaves([program]) if not given[leaf].ok), None)
        if undefined is not None:
            score = given[undefined]
            scores[program] = Score.failed(score.status, f"{undefined}: {score.detail}")
        elif reductions([program]):
            reading.append(program)
        else:
            scores[program] = Score.of(evaluate_upper([program], {}, Layout([0]), leaves=values).item())
    scores |= zip(reading, _evaluate_captured(reading, network, minibatch, units, memory, values), strict=True)
    return [scores[program] for program in programs]


def refused_programs(
    programs: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str = "auto", *, memory: int
) -> dict[Node, Score]:
    """Return the failed scores of the programs that need more memory than there is.

    The network runs on two images. A network that does not run is left to ``evaluate``, whose scores say why.

    Args:
        programs: Roots of kind NETWORK.
        network: Left as it was found.
        minibatch: Images and labels.
        units: See ``capture``.
        memory: Bytes for capturing and evaluating.
    """
    nodes = reductions(programs)
    if not nodes:
        return {}
    try:
        if not fits(nodes, network, minibatch, units, memory):
            BoundedReductions(nodes, network, minibatch, units, memory)
    except MemoryLimitError as error:
        if len(programs) == 1:
            return {programs[0]: Score.failed(Status.MEMORY_LIMIT, f"{type(error).__name__}: {error}")}
    except NETWORK_FAILURES:
        return {}
    else:
        return {}
    each = [refused_programs([program], network, minibatch, units, memory=memory) for program in programs]
    return {program: score for refused in each for program, score in refused.items()}


def _evaluate_captured(
    programs: Sequence[Node],
    network: nn.Module,
    minibatch: Minibatch,
    units: str,
    memory: int | None,
    leaves: Mapping[Node, Tensor],
) -> list[Score]:
    """Score programs that read reductions."""
    if not programs:
        return []
    failure: Score | None = None
    try:
        recorded, vectors, trace = _captured(programs, network, minibatch, units, memory)
    except NoUnitsError as error:
        return [Score.failed(Status.NO_UNITS, str(error))] * len(programs)
    except NETWORK_FAILURES as error:
        status = Status.MEMORY_LIMIT if isinstance(error, MemoryLimitError) else Status.EXCEPTION
        failure = Score.failed(status, f"{type(error).__name__}: {error}")
    if failure is not None:  # outside the handler, whose traceback keeps the tensors of the failed call alive
        if len(programs) == 1 or not _runs(network, minibatch, units):
            return [failure] * len(programs)
        order = sorted(range(len(programs)), key=lambda place: _reads_labels(programs[place]))
        scores: dict[int, Score] = {}
        for half in (order[: len(order) // 2], order[len(order) // 2 :]):  # so that each program fails alone
            part = [programs[place] for place in half]
            scores |= zip(half, _evaluate_captured(part, network, minibatch, units, memory, leaves), strict=True)
        return [scores[place] for place in range(len(programs))]
    layout = Layout([len(recorded)])
    ragged = {node: layout.ragged([vector]) for node, vector in vectors.items()}
    values = evaluate_upper(programs, ragged, layout, leaves=leaves)[:, 0].tolist()
    return [_score(program, value, recorded, vectors, trace) for program, value in zip(programs, values, strict=True)]


def _captured(
    programs: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str, memory: int | None
) -> tuple[tuple[Unit, ...], dict[Node, Tensor], Trace]:
    """Return the units, the values of the programs' reductions on them, and the trace."""
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
    trace, nodes = Trace(), reductions(programs)
    if memory is not None and not fits(nodes, network, minibatch, units, memory):
        recorded, vectors = BoundedReductions(nodes, network, minibatch, units, memory).evaluate(trace)
        return recorded, vectors, trace
    captured = capture(network, minibatch, statistics(nodes), units)
    vectors = evaluate_reductions(nodes, captured, trace, memory=memory_left(memory, captured))
    return captured.units, vectors, trace


def _runs(network: nn.Module, minibatch: Minibatch, units: str) -> bool:
    """Return whether the network runs forward."""
    try:
        capture(network, minibatch, ["weight"], units)
    except NETWORK_FAILURES:
        return False
    return True


def _reads_labels(program: Node) -> bool:
    return any("labels" in STATISTICS[name].needs for name in statistics([program]))


def _score(program: Node, value: float, units: Sequence[Unit], vectors: Mapping[Node, Tensor], trace: Trace) -> Score:
    below = reductions([program])
    for node in below:
        if node in trace.failures:
            return Score.failed(Status.EXCEPTION, trace.failures[node])
    if math.isfinite(value):
        return Score(value)
    for node in below:
        wrong = (~vectors[node].isfinite()).nonzero().flatten().tolist()
        if wrong:
            unit = units[wrong[0]]
            detail = f"the value is {value}; {node.text} is {vectors[node][wrong[0]].item()} on unit {unit.name}"
            return Score.failed(Status.NON_FINITE, detail)
    return Score.of(value)
