"""Records statistics of a network's units while it runs, and leaves the network as it was."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from eznas.capture.call import RecordError
from eznas.capture.inputs import network_of_samples, with_tensor_input
from eznas.capture.outline import Outline, outline
from eznas.capture.state import fork_state
from eznas.capture.statistics import record_statistics
from eznas.capture.streamed import Passes, Streamed
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
    "Outline",
    "Passes",
    "ShapeGroup",
    "Skipped",
    "Streamed",
    "Unit",
    "capture",
    "fork_state",
    "merged",
    "network_of_samples",
    "open_stream",
    "outline_network",
    "translated_errors",
    "with_tensor_input",
]


_FEW = 2
"""Images of a pass that shows the shapes of a network; batch normalisation needs two."""


class CaptureError(EznasError):
    """A network cannot be recorded."""


class NoUnitsError(CaptureError):
    """A network has no units."""


def capture(
    network: nn.Module, minibatch: Minibatch, statistics: Iterable[str] | None = None, units: str = "auto"
) -> Capture:
    """Record statistics of a network's units.

    A *unit* is a layer with weights; it is *complete* with an activation in front and a normalisation directly behind.
    ``input.*`` is the input of that activation, or the layer's own input without one; ``norm_out.*`` is the output of
    that normalisation, or the layer's own output without one. Layers are convolutions of all kinds, linear layers,
    products with a matrix of parameters, and embeddings. Units come in the order of execution. A layer that runs twice
    is two units, the second named ``name#2``; the gradient of its weight is the total over both runs.

    In a network on tokens, which runs attention, an embedding or a linear layer on tokens, each layer is a unit, and so
    is each product of attention maps with values. ``input.*`` is then the input of the activation or normalisation in
    front of the layer, and ``norm_out.*`` the output of the activation or normalisation behind it; dropout, reshapes
    and a gate may stand between. The weight of an attention product is its values, ``input.*`` the scores in front of
    the softmax, ``conv_in.*`` the attention maps, and ``conv_out.*`` the outputs of the heads.

    If the network overwrites a view and goes on to read the tensor behind it, the functions that overwrote the view are
    not among those around later units.

    A unit whose weight is computed from parameters, such as a standardised or masked weight, has the name of the first
    of these parameters. Its weight is the computed one, and the gradient is that of the run alone. If the weight is
    computed from the images too, the unit is named ``computed``.

    Values and gradients are those at the moment when the unit ran, also where the network overwrites them later.
    ``input_grad.*`` comes through the unit's activation alone and ``conv_in_grad.*`` through its convolution alone,
    even if other operations read the same tensor. The exception is an activation in place, whose input has one
    gradient. A gradient is zero where the output does not depend on the tensor.

    Batch and instance normalisation use the statistics of the minibatch, whatever their mode; everything else runs in
    the mode of the network.

    Args:
        network: Maps the minibatch's images to ``b x classes`` logits. It is left as it was, also after an exception.
            A network that writes to its own parameters raises.
        minibatch: Images or other inputs (see ``with_tensor_input``), labels, noise and perturbed images; it is moved
            to the network's device.
        statistics: Names from ``eznas.primitives.STATISTICS``; None for all. Only the passes that they need run.
        units: ``"complete"`` for complete units, ``"any"`` for every layer, ``"auto"`` for every layer and attention
            product of a network on tokens, and otherwise for the complete units if there are any and for all if not.

    Raises:
        InputError: A statistic or ``units`` is unknown.
        NoUnitsError: The network has no units.
        CaptureError: The network does not return logits, overwrites its parameters, or cannot be recorded; or it raises
            in a backward pass, on noise or on perturbed images.
        Exception: Any exception of the network on the images of the minibatch.
    """
    names = dict.fromkeys(STATISTICS if statistics is None else statistics)
    for name in names:
        if name not in STATISTICS:
            raise unknown("statistic", name, STATISTICS)
    if units not in ("auto", "complete", "any"):
        raise InputError(f"units must be 'auto', 'complete' or 'any', got {units!r}")
    scenarios = {STATISTICS[name].scenario for name in names}
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
        return record_statistics(
            network,
            minibatch.images,
            minibatch.noise if "noise" in scenarios else None,
            minibatch.perturbed if "perturbed" in scenarios else None,
            minibatch.labels if "loss" in scenarios else None,
            names=list(names),
            units=units,
            loss=minibatch.loss,
        )


def outline_network(network: nn.Module, minibatch: Minibatch, units: str = "auto", *, graph: bool = False) -> Outline:
    """Return the units of a network and the memory that its passes take, from passes of two images.

    Args:
        network: See ``capture``.
        minibatch: See ``capture``.
        units: See ``capture``.
        graph: Whether to measure the graph of a forward pass.

    Raises:
        NoUnitsError: The network has no units. Errors of ``capture`` are raised as well.
    """
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
        few = minibatch.images[: min(_FEW, len(minibatch))]
        return outline(network, few, len(minibatch), units, graph=graph)


def open_stream(
    network: nn.Module,
    minibatch: Minibatch,
    statistics: Iterable[str],
    units: str,
    shape: Outline,
    memory: int | None = None,
) -> Streamed:
    """Return a network whose statistics are handed on while it runs, with the values that ``capture`` gives.

    Args:
        network: See ``capture``.
        minibatch: See ``capture``.
        statistics: The names of all statistics that will be read.
        units: See ``capture``.
        shape: The outline of the network.
        memory: See ``Streamed``.
    """
    scenarios = {STATISTICS[name].scenario for name in statistics}
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
        inputs = {
            "data": minibatch.images,
            "noise": minibatch.noise if "noise" in scenarios else None,
            "perturbed": minibatch.perturbed if "perturbed" in scenarios else None,
        }
        labels = minibatch.labels if "loss" in scenarios else None
        return Streamed(network, inputs, labels, units, shape, minibatch.loss, memory)


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the errors of the files that exported proxies copy as errors of eznas."""
    try:
        yield
    except UnitlessError as error:
        raise NoUnitsError(str(error)) from None
    except RecordError as error:
        raise CaptureError(str(error)) from error.__cause__
