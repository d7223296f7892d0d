"""Which layers of a network programs read, and which they do not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from eznas.capture import Capture, capture, translated_errors
from eznas.capture.state import uncompiled
from eznas.minibatch import Minibatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


@dataclass(frozen=True)
class UnitRow:
    """One layer or parameter of a network.

    Args:
        name: The path of the module that holds the weight, or of the parameter.
        kind: The function that runs it, such as ``"linear"``, or ``"attention"``; empty where it is not a unit.
        front: The activation or normalisation in front, whose input is the statistic ``input``; empty without one.
        behind: The activation or normalisation behind, whose output is ``norm_out``; empty without one.
        weight: The shape of the statistic ``weight``; empty where it is not a unit.
        input: The shape of the statistics ``input`` and ``conv_in``; empty where it is not a unit.
        output: The shape of the statistics ``conv_out`` and ``norm_out``; empty where it is not a unit.
        reason: Why it is not a unit; empty for a unit.
    """

    name: str
    kind: str
    front: str
    behind: str
    weight: tuple[int, ...]
    input: tuple[int, ...]
    output: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class UnitReport:
    """The layers of a network: first the units in the order of execution, then the layers that programs do not read.

    Args:
        rows: One for each layer.
        read_parameters: The number of parameters that are weights of units; biases are not among them.
        parameters: The number of parameters of the network.
    """

    rows: tuple[UnitRow, ...]
    read_parameters: int
    parameters: int

    @property
    def units(self) -> tuple[UnitRow, ...]:
        """The rows of units."""
        return tuple(row for row in self.rows if not row.reason)

    @property
    def share(self) -> float:
        """The share of the network's parameters that are weights of units, from 0 to 1; 0 without parameters."""
        return self.read_parameters / self.parameters if self.parameters else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dictionaries, lists and numbers."""
        return {**asdict(self), "units": len(self.units), "share": self.share}


def units(network: nn.Module, minibatch: Any, which: str = "auto") -> UnitReport:
    """Return the units of a network, and its layers that programs do not read.

    The network runs forward once, and is left as it was.

    Args:
        network: Maps images to ``b x classes`` logits.
        minibatch: A minibatch, or data of which ``Minibatch.of`` makes one.
        which: Which layers are units: see ``eznas.capture.capture``.

    Raises:
        CaptureError: The network cannot be recorded; ``NoUnitsError`` where it has no units.
    """
    with translated_errors():
        network = uncompiled(network)  # whose parameters have the names of the units
    captured = capture(network, Minibatch.of(minibatch), [], which)
    parameters = dict(network.named_parameters())
    rows = [
        UnitRow(
            unit.name, unit.kind, unit.front, unit.behind, unit.weight_shape, unit.input_shape, unit.output_shape, ""
        )
        for unit in captured.units
    ]
    rows += [UnitRow(layer.name, "", "", "", (), (), (), layer.reason) for layer in captured.skipped]
    read = _read(captured, parameters)
    return UnitReport(
        tuple(rows),
        sum(parameters[name].numel() for name in read),
        sum(parameter.numel() for parameter in parameters.values()),
    )


def _read(captured: Capture, parameters: Mapping[str, nn.Parameter]) -> set[str]:
    """Return the names of the parameters that are weights of units."""
    read: set[str] = set()
    for unit in captured.units:
        name = unit.name.partition("#")[0]
        read.update(unit.leaves or (f"{name}.weight" if f"{name}.weight" in parameters else name,))
    return read & parameters.keys()
