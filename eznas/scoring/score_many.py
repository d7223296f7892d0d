"""Many measures on one network, each pass run once."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from eznas.capture import NoUnitsError, explained
from eznas.capture.preserve import device_of, eager
from eznas.errors import NETWORK_FAILURES, UndefinedError
from eznas.measures.registry import MEASURES, Measure
from eznas.passes.microbatches import MicrobatchPasses, check_splittable
from eznas.passes.network_passes import NetworkPasses
from eznas.passes.restore_network import restore_network
from eznas.programs import evaluate, parse
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, nn

    from eznas.minibatch import Minibatch

__all__ = ["measure", "score_measures"]


def measure(
    network: nn.Module,
    minibatch: Minibatch,
    names: str | Iterable[str] | None = None,
    device: str = "auto",
    *,
    split: int | None = None,
) -> dict[str, Score]:
    """Score a network with many measures, each forward and backward pass that they need run once.

    Args:
        network: Maps images to ``b x classes`` logits. It is left as it was found, also where it raises.
        minibatch: Images and labels.
        names: Registered measures, or one; None for all.
        device: A torch device to run on; ``"auto"`` for where the network is.
        split: At most so many images run at once, for networks too large for more; None for all. Scores are equal to
            rounding where the network draws nothing at random, as dropout does while it trains.

    Returns:
        A score for each name, in the order of the names. Its status says where a measure is undefined, and why.

    Raises:
        InputError: A name is unknown, or the minibatch is to be split where a measure or a normalisation reads it as a
            whole.
        CaptureError: The network is TorchScript.
    """
    asked = MEASURES if names is None else [names] if isinstance(names, str) else dict.fromkeys(names)
    records = [MEASURES[name] for name in asked]
    with moved(network, device):
        return score_measures(records, network, minibatch, split=split)


def score_measures(
    records: Sequence[Measure],
    network: nn.Module,
    minibatch: Minibatch,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    split: int | None = None,
) -> dict[str, Score]:
    """Score a network with measures, where it is.

    Args:
        records: What to compute.
        network: Left as it was found.
        minibatch: On any device.
        loss: Maps logits and labels to the loss of those measures that share passes; None for the cross-entropy.
        split: See ``measure``; the loss must then be a mean over images.

    Raises:
        InputError: See ``measure``.
        CaptureError: See ``measure``.
    """
    with explained():
        network = eager(network)
    if split is not None:
        check_splittable(records, network, split)
    minibatch = minibatch.to(device_of(network))
    found = dict.fromkeys([record.name for record in records], Score.failed(Status.EXCEPTION, "not computed"))
    with torch.inference_mode(mode=False):
        programs = {record.name: parse(record.program) for record in records if record.program}
        if programs:
            scores = evaluate(list(programs.values()), network, minibatch)
            found |= dict(zip(programs, scores, strict=True))
        for record in records:
            if record.function is not None and record.shared is None:
                own = getattr(record.function, "__module__", "").startswith("eznas.")
                function = record.function if own else partial(_guarded, record.function)
                found[record.name] = _score(record, function, network, minibatch)
        return found | _shared(records, network, minibatch, loss, split)


def _guarded(function: Callable[[nn.Module, Minibatch], float], network: nn.Module, minibatch: Minibatch) -> float:
    """Call a measure that somebody else wrote."""
    copied = replace(minibatch, images=minibatch.images.clone(), labels=minibatch.labels.clone())
    with restore_network(network):
        return function(network, copied)


def _shared(
    records: Sequence[Measure],
    network: nn.Module,
    minibatch: Minibatch,
    loss: Callable[[Tensor, Tensor], Tensor] | None,
    split: int | None,
) -> dict[str, Score]:
    pairs = [(record, record.shared) for record in records if record.shared is not None]
    if not pairs:
        return {}
    # those that read the same stand together, so that what was read can be freed early
    pairs.sort(key=lambda pair: sorted(pair[0].reads))
    parts = frozenset[str]().union(*(record.reads for record, _ in pairs))
    found: dict[str, Score] = {}
    try:
        every = (network, minibatch, parts, loss)
        with NetworkPasses(*every) if split is None else MicrobatchPasses(split, *every) as passes:
            for index, (record, shared) in enumerate(pairs):
                found[record.name] = _score(record, shared, passes)
                passes.forget(frozenset[str]().union(*(later.reads for later, _ in pairs[index + 1 :])))
    except NETWORK_FAILURES as error:
        return {record.name: _failure(error) for record, _ in pairs}
    return found


def _score(record: Measure, compute: Callable[..., float], *args: object) -> Score:
    try:
        with explained():
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
def moved(network: nn.Module, device: torch.device | str) -> Iterator[None]:
    """Run the block with the network's tensors on a device, and put back the very tensors that it had.

    Args:
        network: The network.
        device: ``"auto"`` for where it is.
    """
    if device == "auto":
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
