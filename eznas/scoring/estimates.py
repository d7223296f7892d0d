"""Estimates the seconds of measures and programs on a network before they run, and leaves out slow ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture import outline_network, translated_errors, with_tensor_input
from eznas.capture.state import device_of, uncompiled
from eznas.errors import NETWORK_FAILURES
from eznas.passes.size_pass import sizes_of
from eznas.programs import parse, statistics
from eznas.scoring.network_leaves import with_measures_read
from eznas.scoring.program_seconds import program_seconds
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import nn

    from eznas.capture import Unit
    from eznas.measures.registry import Measure
    from eznas.minibatch import Minibatch

MOST_SECONDS = 30.0
"""The limit of a measure's estimated seconds, where the measure is not asked for by its name."""


def seconds_of(records: Sequence[Measure], network: nn.Module, minibatch: Minibatch) -> dict[str, float]:
    """Estimate the seconds of each measure alone, with the measures that it reads, on one thread of a CPU.

    The network runs forward on two images, twice if a measure is a program. Sizes decide alone, so an estimate is the
    same on every machine.

    Args:
        records: The measures.
        network: It is left as it was.
        minibatch: It may be on any device.

    Returns:
        The seconds by name; empty if the network does not run on two samples; no limit applies then.
    """
    closed = with_measures_read(records)
    try:
        with translated_errors():
            network = uncompiled(network)
            network, minibatch = with_tensor_input(network, minibatch.to(device_of(network)))
        sizes = sizes_of(network, minibatch)
    except NETWORK_FAILURES:
        return {}
    reading = any(record.program and statistics([parse(record.program)]) for record in closed)
    units = _units(network, minibatch) if reading else ()
    own = {
        record.name: program_seconds(parse(record.program), units, sizes) if record.program else record.estimate(sizes)
        for record in closed
    }
    return {record.name: own[record.name] + sum(own[name] for name in _read(record)) for record in records}


def _units(network: nn.Module, minibatch: Minibatch) -> Sequence[Unit]:
    """Return the units of a network; none where it has none or cannot be recorded, as the scores will say."""
    try:
        return outline_network(network, minibatch).units
    except NETWORK_FAILURES:
        return ()


def _read(record: Measure) -> list[str]:
    """Return the names of the measures that a measure reads, also through others."""
    return [other.name for other in with_measures_read([record])[1:]]


def skipped(seconds: Mapping[str, float | None], limit: float | None, asked: Collection[str] = ()) -> dict[str, Score]:
    """Return the scores of the measures whose estimates are above the limit.

    Args:
        seconds: The estimated seconds by name.
        limit: The limit in seconds; None for no limit.
        asked: The measures to which the limit does not apply.
    """
    if limit is None:
        return {}
    return {
        name: Score.failed(
            Status.SKIPPED,
            f"estimated {estimate:.3g} s, and the limit is {limit:.3g} s; ask for {name} by its name, or raise "
            "max_seconds_per_measure",
        )
        for name, estimate in seconds.items()
        if estimate is not None and estimate > limit and name not in asked
    }
