"""The kinds of the typed trees: the values of a program's nodes, and the floors on which they live.

Notation, used in every docstring: ``u`` units, ``b`` samples of the minibatch, ``c`` channels (``c_in``,
``c_out``), ``h x w`` a map, ``*s`` any trailing shape. Every tensor has the leading unit axis ``u``. An axis
that a primitive has reduced stays with length 1, so that operands of one kind always broadcast against each
other and no tree can fail on shapes.
"""

from __future__ import annotations

import enum


class Floor(enum.Enum):
    """A level of a program: tensors of a unit, numbers of a unit, or numbers of a network."""

    TENSOR = "tensor"
    UNIT = "unit"
    NETWORK = "network"


class Kind(enum.Enum):
    """The kind of a node's value."""

    WEIGHT = "weight"
    """``u x c_out x c_in x k x k``: weights and their gradients."""
    INPUT = "input"
    """``u x b x c_in x h x w``: inputs of a unit or of its convolution, and their gradients."""
    OUTPUT = "output"
    """``u x b x c_out x h x w``: outputs of a convolution or of its normalisation, and their gradients."""
    IMAGE = "image"
    """``1 x b x c x h x w``: the minibatch itself and its gradient, the same for every unit."""
    SAMPLES = "samples"
    """``u x b x b``: a matrix over pairs of samples."""
    UNIT = "unit"
    """``u``: one number for each unit, in execution order."""
    NETWORK = "network"
    """``()``: one number for the network; the kind of every program's root."""
    LITERAL = "literal"
    """A number written in the program's text, such as the exponent of ``power``."""

    @property
    def floor(self) -> Floor:
        """The floor on which a node of this kind lives; literals count to the network's."""
        if self is Kind.UNIT:
            return Floor.UNIT
        return Floor.NETWORK if self in (Kind.NETWORK, Kind.LITERAL) else Floor.TENSOR


TENSOR_KINDS = (Kind.WEIGHT, Kind.INPUT, Kind.OUTPUT, Kind.IMAGE, Kind.SAMPLES)
"""The kinds of the tensor floor."""

MAP_KINDS = (Kind.WEIGHT, Kind.INPUT, Kind.OUTPUT, Kind.IMAGE)
"""The tensor kinds whose last two axes are maps."""

BATCH_KINDS = (Kind.INPUT, Kind.OUTPUT, Kind.IMAGE)
"""The tensor kinds whose first axis after the units is the samples."""

NUMBER_KINDS = (Kind.UNIT, Kind.NETWORK)
"""The kinds of the unit and the network floor."""
