"""Elementwise functions of one tensor, and the tensors that they map to each other.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import weakref

    from torch import Tensor


class Shape(enum.Flag):
    """How an elementwise function deviates from an affine one."""

    AFFINE = 0
    BENT = enum.auto()
    """It is piecewise linear, as ReLU is."""
    CURVED = enum.auto()
    """It is curved, as GELU is."""
    REDUCED = enum.auto()
    """It reads sums or means of its argument over the last axis too, as a normalisation does."""
    SPREAD = enum.auto()
    """It reads sums or means of its argument over other axes too."""


@dataclass(eq=False)
class Step:
    """A tensor at one moment, as a function of an earlier tensor.

    Args:
        tensor: The tensor.
        version: The number of writes to its memory at that moment.
        source: The ``Step`` that it is a function of; None where it is a function of several tensors.
        shape: The function.
        flat: Whether the function is constant on pieces, as a mask is.
        activation: Whether the step is the output of an activation.
        composite: Whether several calls computed that activation; a number that multiplies it or is added is a part.
        reduces: Whether the step is a sum or a mean.
        read: The ``Step`` that the last call read, which ``source`` may lie behind.
        degree: The power of ``s`` by which the step grows if ``source`` is multiplied by ``s``, apart from constants
            that are added; None for functions that are no such power.
        factors: Constants that multiply it.
        between: The steps between ``source`` and the call that computed it, where that read several.
    """

    tensor: weakref.ref[Tensor]
    version: int
    source: Any = None
    shape: Shape = Shape.AFFINE
    flat: bool = False
    activation: bool = False
    composite: bool = False
    reduces: bool = False
    read: Any = None
    degree: float | None = 1.0
    factors: tuple[Tensor, ...] = ()
    between: tuple[Any, ...] = ()

    def current(self) -> Tensor | None:
        """Return the tensor; None where it is freed or was overwritten since."""
        tensor = self.tensor()
        return tensor if tensor is not None and version(tensor) == self.version else None

    def sources(self) -> list[Any]:
        """Return the step and the steps that it is a function of, the nearest first."""
        steps: list[Any] = []
        step: Any = self
        while step is not None:
            steps.append(step)
            step = step.source
        return steps

    @property
    def is_part(self) -> bool:
        """Whether it may be a part of a normalisation: an activation of torch is none, but of a sum or a mean."""
        return self.composite or not self.activation or any(step.reduces for step in self.sources())

    def to(self, source: Any) -> list[Any]:
        """Return the steps from this one to the one behind a source."""
        steps = self.sources()
        return steps[: steps.index(source)]


@dataclass(frozen=True)
class Function:
    """A call whose result is an elementwise function of one tensor.

    Args:
        source: The tensor.
        shape: The function.
        flat: Whether the result is constant on pieces.
        activates: Whether the call completes an activation that has no function of its own in torch.
        normalises: Whether the call completes a normalisation that is written by hand.
        scales: Whether the call multiplies by a number, adds one, or copies.
        inner: The outputs of activations that are parts of this one.
        reduces: Whether the call sums or averages.
        read: The tensor that the call reads, where ``source`` lies behind it; None otherwise.
        squares: The squares and absolute values that the call reads through a sum or a mean, as a normalisation does;
            they are no activations.
        degree: See ``Step``.
        entering_degree: The degree of the call's first argument.
        factors: Constants that multiply the result or a part of it.
        normalised: Whether the call completes a normalisation over any axes: it divides the source by a sum or a mean
            that grows as the source does.
        parts: The results that a normalisation is made of.
        between: See ``Step``.
    """

    source: Step
    shape: Shape
    flat: bool = False
    activates: bool = False
    normalises: bool = False
    scales: bool = False
    inner: tuple[Step, ...] = field(default=())
    reduces: bool = False
    read: Step | None = None
    squares: tuple[Step, ...] = field(default=())
    degree: float | None = None
    entering_degree: float | None = None
    factors: tuple[Tensor, ...] = ()
    normalised: bool = False
    parts: tuple[Step, ...] = ()
    between: tuple[Step, ...] = ()


def version(tensor: Tensor) -> int:
    """Return how many writes to the tensor's memory torch has counted."""
    return tensor._version  # noqa: SLF001 - torch has no other name for it
