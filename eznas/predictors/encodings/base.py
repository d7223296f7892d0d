"""Encodings: architectures in, rows of numbers or graphs out; ``Encoder`` joins several with ``+``."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from eznas.errors import InputError, unknown
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.graphs import Graphs
    from eznas.spaces import SearchSpace

    Scores = Mapping[str, Mapping[str, float]]
    """By the name of a measure or program, the score of each architecture."""


@dataclass(frozen=True, eq=False)
class EncodingInputs:
    """The data that encodings read besides the architecture.

    Args:
        space: The search space; None for data that name architectures of no registered space, which only ``words``
            and the encodings of scores and learning curves encode.
        scores: Scores by the name of a measure or program, and then by architecture.
        metric: The metric of the learning curves, for encodings that do not have one of their own.
    """

    space: SearchSpace | None = None
    scores: Scores = field(default_factory=dict)
    metric: str = "validation_accuracy"

    def known_space(self, encoding: str) -> SearchSpace:
        """Return the space.

        Raises:
            InputError: There is none.
        """
        if self.space is None:
            raise InputError(f"the encoding {encoding} needs a search space; give space", parameters=("space",))
        return self.space

    def with_scores(self, names: Sequence[str]) -> EncodingInputs:
        """Return the inputs with some of the scores, in the order of the names.

        Raises:
            InputError: There are no such scores.
        """
        if not self.scores:
            raise InputError(
                f"scores must be files with the columns {', '.join(names)}, got none", parameters=("scores",)
            )
        missing = next((name for name in names if name not in self.scores), None)
        if missing is not None:
            raise unknown("score", missing, self.scores)
        return replace(self, scores={name: self.scores[name] for name in names})


class AnyEncoding(abc.ABC):
    """The facts about an encoding; see ``Encoding`` and ``GraphEncoding`` for what it returns.

    Attributes:
        name: The name in ``ENCODINGS``.
        description: Its columns in one sentence.
        paper: The publication; empty without one.
        reads: ``"scores"``, ``"features"``, ``"curves"`` or nothing besides the string.
        points: Fewest points of a learning curve, where it reads one.
        learns: Whether the columns depend on the architectures of the fit.
        metric: The metric of the learning curves that it reads; empty for ``EncodingInputs.metric``.

    Args:
        inputs: The space and the data.

    Raises:
        InputError: The encoding does not know the space, or data that it reads is missing.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    paper: ClassVar[str] = ""
    reads: ClassVar[str] = ""
    points: ClassVar[int] = 0
    learns: ClassVar[bool] = False
    metric: ClassVar[str] = ""

    @abc.abstractmethod
    def __init__(self, inputs: EncodingInputs) -> None:
        """Prepare the columns."""


class Encoding(AnyEncoding):
    """Turns each architecture of a space into a row of numbers."""

    @property
    @abc.abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""

    @abc.abstractmethod
    def rows(self, architectures: Sequence[str], curves: Curves | None) -> NDArray[np.float64]:
        """Return ``n x f`` numbers; NaN only where a score or a point of a curve is missing.

        Raises:
            InputError: The space has no such architecture, or data about it is missing.
        """

    def learn(self, architectures: Sequence[str]) -> None:
        """Choose the columns, for an encoding whose columns depend on the architectures of the fit."""


class GraphEncoding(AnyEncoding):
    """Turns each architecture of a space into a graph; only predictors that read graphs take it."""

    @abc.abstractmethod
    def graphs(self, architectures: Sequence[str]) -> Graphs:
        """Return the graphs of ``n`` architectures, all padded to the same number of vertices.

        Raises:
            InputError: The space has no such architecture.
        """


E = TypeVar("E", bound=type[AnyEncoding])


def no_encoding(name: str, space: SearchSpace) -> InputError:
    """Build the error for a space that an encoding does not know."""
    return InputError(f"the encoding {name} has no columns for {space.name}; choose graf, measures or words")


def register_encoding(encoding: E) -> E:
    """Register the decorated class under its ``name``.

    Raises:
        InputError: The name is taken.
    """
    ENCODINGS.register(encoding)
    return encoding


ENCODINGS: Registry[type[AnyEncoding]] = Registry(
    "encoding", lambda encoding: encoding.name, ["eznas.predictors.encodings.*"]
)
"""Every encoding by name."""
