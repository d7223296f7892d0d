"""Statistics of a network's units, recorded while it runs; the network is left as it was found."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from eznas.capture.preserve import preserved
from eznas.capture.record import RecordError
from eznas.capture.statistics import record_statistics
from eznas.capture.types import Capture, ShapeGroup, Skipped, Unit, merged
from eznas.capture.units import UnitlessError
from eznas.errors import EznasError, InputError, unknown
from eznas.primitives.terminals import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = [
    "Capture",
    "CaptureError",
    "NoUnitsError",
    "ShapeGroup",
    "Skipped",
    "Unit",
    "capture",
    "explained",
    "merged",
    "preserved",
]


class CaptureError(EznasError):
    """A network cannot be recorded."""


class NoUnitsError(CaptureError):
    """A network has no units."""


def capture(
    network: nn.Module, minibatch: Minibatch, statistics: Iterable[str] | None = None, units: str = "auto"
) -> Capture:
    """Record statistics of a network's units.

    A *unit* is a 2-d convolution, or a linear layer taken as a 1x1 convolution; it is *complete* with an
    activation in front and a normalisation behind. ``input.*`` is what entered that activation, or the
    layer's own input where there is none; ``norm_out.*`` is what left that normalisation, or the layer's own
    output. Units come in the order in which they run; a layer that runs twice is two units, the second named
    ``name#2``, and the gradient of its weight is the total in both. The unit of a weight that is no parameter
    itself, such as a standardised one, is named ``computed``.

    Values and gradients are those at the moment when the unit ran, also where the network overwrites them
    later. ``input_grad.*`` comes through the unit's activation alone and ``conv_in_grad.*`` through its
    convolution alone, whatever else reads the same tensor (an activation in place excepted, whose input has one
    gradient). The gradient with respect to what the output does not depend on is zero.

    Batch and instance normalisation use the statistics of the minibatch, whatever their mode; everything else
    runs in the mode that the network is in.

    Args:
        network: Maps ``b x c x h x w`` images to ``b x classes`` logits; it is left as it was found, also
            where this raises, and the minibatch is moved to its device. Only what its forward pass writes to
            its own parameters stays; that raises, unless it is hidden from torch behind ``.data``.
        minibatch: Images, labels, noise and perturbed images.
        statistics: Names from ``eznas.primitives.STATISTICS``; None for all. Only the passes that they need run.
        units: ``"complete"`` for complete units, ``"any"`` for every convolution and linear layer, ``"auto"``
            for the complete ones where there are any and for all otherwise.

    Raises:
        InputError: A statistic or ``units`` is unknown.
        NoUnitsError: The network has no units.
        CaptureError: The network does not return logits, overwrites its parameters, or cannot be recorded.
        Exception: Whatever the network raises.
    """
    names = dict.fromkeys(STATISTICS if statistics is None else statistics)
    for name in names:
        if name not in STATISTICS:
            raise unknown("statistic", name, STATISTICS)
    if units not in ("auto", "complete", "any"):
        raise InputError(f"units must be 'auto', 'complete' or 'any', got {units!r}")
    scenarios = {STATISTICS[name].scenario for name in names}
    with explained():
        return record_statistics(
            network,
            minibatch.images,
            minibatch.noise if "noise" in scenarios else None,
            minibatch.perturbed if "perturbed" in scenarios else None,
            minibatch.labels if "loss" in scenarios else None,
            names=list(names),
            units=units,
        )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of the recording, which exported proxies share, into those of eznas."""
    try:
        yield
    except UnitlessError as error:
        raise NoUnitsError(str(error)) from None
    except RecordError as error:
        raise CaptureError(str(error)) from None
