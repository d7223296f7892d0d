"""Scores one network with many measures, each pass run once."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from eznas.capture import NoUnitsError, translated_errors, with_tensor_input
from eznas.capture.state import device_of, uncompiled
from eznas.errors import NETWORK_FAILURES, InputError, UndefinedError
from eznas.measures.registry import MEASURES, Measure
from eznas.minibatch import Minibatch
from eznas.passes.bounded_passes import BoundedPasses
from eznas.passes.microbatches import MicrobatchPasses
from eznas.passes.network_passes import NetworkPasses
from eznas.passes.parts import PARTS
from eznas.passes.restore_network import restore_network
from eznas.primitives import STATISTICS
from eznas.programs import Node, evaluate, network_leaves, parse, statistics
from eznas.scoring.estimates import MOST_SECONDS, seconds_of, skipped
from eznas.scoring.measure_memory import plan_measures
from eznas.scoring.network_leaves import score_composed, with_measures_read
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from eznas.scoring.measure_memory import MeasureGroup, MeasurePlan


def measure(
    network: nn.Module,
    minibatch: Minibatch | Sequence[Any] | Mapping[str, Any] | Iterable[Any],
    names: str | Node | Iterable[str | Node] | None = None,
    device: str = "auto",
    *,
    split: int | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    max_seconds_per_measure: float | None = MOST_SECONDS,
) -> dict[str, Score]:
    """Score a network with many measures; forward and backward passes that several measures need run once.

    Args:
        network: Maps images or other inputs to logits, ``b x classes`` or with axes between these. It returns a tensor,
            or a tuple, dictionary or dataclass that holds it, by the name ``logits`` or as its first tensor. It is left
            as it was, also after an exception.
        minibatch: Inputs and labels: a ``Minibatch``, a pair, a dictionary of named inputs and ``labels``, or a loader,
            whose first batch is read; see ``Minibatch``.
        names: Names of registered measures, programs, or one of them; None for all measures.
        device: A torch device to run on; ``"auto"`` for the network's own.
        split: The most images that run at once, for networks that need too much memory otherwise; None for all.
            Scores are equal up to rounding, unless the network draws random numbers, as dropout does in training mode.
        loss: Maps logits and labels to one number; None for the loss of the minibatch, which is the mean cross-entropy
            unless it has one.
        max_seconds_per_measure: Where ``names`` is None, measures whose estimated seconds are above this limit are
            left out, with the status ``SKIPPED``; None for no limit. ``eznas.estimate_seconds`` returns the estimates.

    Returns:
        A score for each name or program's text, in the order of the names. Where a measure is undefined, the score's
        status says why.

    Raises:
        InputError: A name is unknown, or ``split`` is given and a measure or a batch normalisation reads the minibatch
            as a whole.
    """
    records = _records(names)
    with on_device(network, device):
        batch = Minibatch.of(minibatch, loss)
        left_out: dict[str, Score] = {}
        if names is None and max_seconds_per_measure is not None:
            left_out = skipped(seconds_of(list(records.values()), network, batch), max_seconds_per_measure)
        chosen_records = [record for name, record in records.items() if name not in left_out]
        scores = score_measures(chosen_records, network, batch, split=split) | left_out
    return {name: scores[name] for name in records}


def estimate_seconds(
    network: nn.Module,
    minibatch: Minibatch | Sequence[Any] | Mapping[str, Any] | Iterable[Any],
    names: str | Node | Iterable[str | Node] | None = None,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> dict[str, float]:
    """Estimate the seconds that each measure takes on a network, before any of them runs.

    The estimates are for one thread of a CPU and each measure alone; measures that share passes take less together.
    They follow from sizes: operations, weights, images, positions and channels. The network runs forward on two images,
    and twice if a program is among the measures.

    Args:
        network: See ``measure``.
        minibatch: See ``measure``.
        names: See ``measure``.
        loss: See ``measure``.

    Returns:
        The seconds for each name or program's text; empty if the network does not run on two samples. No
        limit applies then.

    Raises:
        InputError: A name is unknown.
    """
    return seconds_of(list(_records(names).values()), network, Minibatch.of(minibatch, loss))


def _records(names: str | Node | Iterable[str | Node] | None) -> dict[str, Measure]:
    """Return the measures of names and programs, by name or text."""
    chosen = MEASURES if names is None else [names] if isinstance(names, (str, Node)) else names
    return {str(name): _record(str(name)) for name in chosen}


def _record(name: str) -> Measure:
    """Return the measure of a name, or one for a program's text."""
    if "(" not in name:
        return MEASURES[name]
    needs = [STATISTICS[statistic].needs for statistic in statistics([parse(name)])]
    return Measure(name, program=name, needs=frozenset[str]().union(*needs))


def score_measures(
    records: Sequence[Measure],
    network: nn.Module,
    minibatch: Minibatch,
    *,
    split: int | None = None,
    features: Mapping[str, float] | None = None,
    memory: int | None = None,
    plan: MeasurePlan | None = None,
) -> dict[str, Score]:
    """Score a network with measures on its own device; measures that a program reads are computed once.

    Args:
        records: The measures.
        network: It is left as it was.
        minibatch: It may be on any device.
        split: See ``measure``; the loss must then be a mean over images.
        features: The features of the network's architecture; None where the architecture is not known.
        memory: Bytes that a program or measure may take; None for no bound. It does not change a score; a program or
            measure that needs more has the status MEMORY_LIMIT.
        plan: The plan of these measures, and of those that they read, for this memory; None to make it.

    Raises:
        InputError: See ``measure``.
    """
    requested = [record.name for record in records]
    try:
        with translated_errors():
            network = uncompiled(network)
            network, minibatch = with_tensor_input(network, minibatch.to(device_of(network)))
    except NETWORK_FAILURES as error:
        return dict.fromkeys(requested, _failure(error))
    records = with_measures_read(records)
    if split is not None:
        _check_split(records, network, split)
    scores = dict.fromkeys([record.name for record in records], Score.failed(Status.EXCEPTION, "not computed"))
    with torch.inference_mode(mode=False):
        programs = {record.name: parse(record.program) for record in records if record.program}
        composed = {name: program for name, program in programs.items() if network_leaves([program])}
        plain = {name: program for name, program in programs.items() if name not in composed}
        if plain:
            scores |= zip(plain, evaluate(list(plain.values()), network, minibatch, memory=memory), strict=True)
        plan = plan_measures(records, network, minibatch, memory) if plan is None else plan
        for record in records:
            if record.function is not None and record.from_passes is None and record.name not in plan.refused:
                built_in = getattr(record.function, "__module__", "").startswith("eznas.")
                function = record.function if built_in else partial(_run_restored, record.function)
                scores[record.name] = _score(record, function, network, minibatch)
        for group in plan.groups:
            shared = [record for record in records if record.name in group.names]
            scores |= _score_from_passes(shared, network, minibatch, split, group)
        scores |= {name: score for name, score in plan.refused.items() if name in scores}
        scores |= score_composed(composed, scores, features, network, minibatch, memory)
    return {name: scores[name] for name in requested}


def _check_split(records: Sequence[Measure], network: nn.Module, images: int) -> None:
    """Raise ``InputError`` where a measure or a normalisation of the network reads the minibatch as a whole."""
    if images < 1:
        raise InputError(f"split must be at least 1; got {images}")
    whole = [
        record.name
        for record in records
        if record.needs and not (record.parts and all(PARTS[part].splits for part in record.parts))
    ]
    if whole:
        raise InputError(f"split must be None for measures that read the whole minibatch: {', '.join(whole)}")
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - torch has no other name for it
            raise InputError(
                "split must be None for networks with batch normalisation, which reads the whole minibatch; "
                f"the network has {name or 'one'}"
            )


def _run_restored(function: Callable[[nn.Module, Minibatch], float], network: nn.Module, minibatch: Minibatch) -> float:
    """Call a user's measure on a copy of the minibatch, and restore the network."""
    copied = replace(minibatch, images=minibatch.images.clone(), labels=minibatch.labels.clone())
    with restore_network(network):
        return function(network, copied)


def _score_from_passes(
    records: Sequence[Measure], network: nn.Module, minibatch: Minibatch, split: int | None, group: MeasureGroup
) -> dict[str, Score]:
    pairs = [(record, record.from_passes) for record in records if record.from_passes is not None]
    if not pairs:
        return {}
    # measures that read the same parts are consecutive, so that results are freed early
    pairs.sort(key=lambda pair: sorted(pair[0].parts))
    scores: dict[str, Score] = {}
    try:
        args = (network, minibatch, _parts(pairs))
        if split is not None:
            shared: NetworkPasses = MicrobatchPasses(split, *args)
        elif group.graph is not None:
            shared = BoundedPasses(group.graph, group.memory, *args)
        else:
            shared = NetworkPasses(*args)
        with shared as passes:
            for index, (record, from_passes) in enumerate(pairs):
                scores[record.name] = _score(record, from_passes, passes)
                passes.forget(_parts(pairs[index + 1 :]))
    except NETWORK_FAILURES as error:
        return {record.name: _failure(error) for record, _ in pairs}
    return scores


def _parts(pairs: Sequence[tuple[Measure, object]]) -> frozenset[str]:
    return frozenset[str]().union(*(record.parts for record, _ in pairs))


def _score(record: Measure, compute: Callable[..., float], *args: object) -> Score:
    try:
        with translated_errors():
            value = float(compute(*args))
        if math.isfinite(value):
            return Score(value)
        return Score.failed(Status.NON_FINITE, f"the value is {value}, of: {record.formula}")
    except NETWORK_FAILURES as error:
        return _failure(error)


def _failure(error: BaseException) -> Score:
    if isinstance(error, NoUnitsError):
        return Score.failed(Status.NO_UNITS, str(error))
    if isinstance(error, UndefinedError):
        return Score.failed(Status.NON_FINITE, str(error))
    return Score.failed(Status.EXCEPTION, f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def on_device(network: nn.Module, device: torch.device | str) -> Iterator[None]:
    """Run the block with the network's tensors on a device, and then put back the original tensors.

    Args:
        network: The network.
        device: ``"auto"`` for the network's own. Parameters without values stay where they are.
    """
    if device == "auto" or any(parameter.is_meta or is_lazy(parameter) for parameter in network.parameters()):
        yield
        return
    target = torch.device(device)
    data = [(parameter, parameter.data) for parameter in network.parameters()]
    buffers = [(module, dict(module._buffers)) for module in network.modules()]  # noqa: SLF001
    try:
        for parameter, values in data:
            parameter.data = values.to(target)
        for module, named in buffers:
            for name, buffer in named.items():
                module._buffers[name] = None if buffer is None else buffer.to(target)  # noqa: SLF001
        yield
    finally:
        for parameter, values in data:
            parameter.data = values
        for module, named in buffers:
            module._buffers.update(named)  # noqa: SLF001
