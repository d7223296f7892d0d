"""Scores of one network: the three floors together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from eznas.capture import NoUnitsError, Unit, capture
from eznas.errors import NETWORK_FAILURES
from eznas.programs.evaluate import evaluate_reductions, reductions, statistics
from eznas.programs.parts import in_parts, left_of
from eznas.programs.plan import Trace
from eznas.programs.tree import Node
from eznas.programs.upper import Layout, evaluate_upper
from eznas.scores import Score, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["evaluate"]


def evaluate(
    programs: Sequence[Node],
    network: nn.Module,
    minibatch: Minibatch,
    units: str = "auto",
    *,
    memory: int | None = None,
) -> list[Score]:
    """Score one network with many programs: one capture of just the statistics that they read, one evaluation.

    Args:
        programs: Roots of kind NETWORK.
        network: Left as it was found.
        minibatch: Images and labels.
        units: Which layers are units: see ``capture``.
        memory: Bytes that capturing and evaluating may take; None for no bound. It does not change a score.

    Returns:
        One score a program. NO_UNITS where the network has no unit, EXCEPTION where capturing or a primitive raised for
        it alone, NON_FINITE where the formula gives NaN or an infinity; the detail says why.
    """
    trace, vectors = Trace(), dict[Node, Tensor]()
    found: tuple[Unit, ...] = ()
    failure = ""
    try:
        for part in in_parts(reductions(programs), network, minibatch, units, memory):
            captured = capture(network, minibatch, statistics(part), units)
            found = captured.units
            vectors |= evaluate_reductions(part, captured, trace, memory=left_of(memory, captured))
            del captured  # before the next one is made
    except NoUnitsError as error:
        return [Score.failed(Status.NO_UNITS, str(error))] * len(programs)
    except NETWORK_FAILURES as error:
        failure = f"{type(error).__name__}: {error}"
    if failure and len(programs) > 1:  # what one of them reads, such as the labels, may be all that is wrong
        return [evaluate([program], network, minibatch, units, memory=memory)[0] for program in programs]
    if failure:
        return [Score.failed(Status.EXCEPTION, failure)]
    layout = Layout([len(found)])
    ragged = {node: layout.ragged([vector]) for node, vector in vectors.items()}
    values = evaluate_upper(programs, ragged, layout)[:, 0].tolist()
    return [_score(program, value, found, vectors, trace) for program, value in zip(programs, values, strict=True)]


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
