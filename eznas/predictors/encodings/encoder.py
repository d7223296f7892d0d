"""Several encodings side by side, as in ``graf+measures``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.predictors.encodings.base import ENCODINGS, Encoding, GraphEncoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.base import AnyEncoding, EncodingInputs
    from eznas.predictors.encodings.graphs import Graphs


class Encoder:
    """Joins the columns of encodings. Rows without curves are computed once for each architecture.

    At most one of the encodings may be one of graphs. It has no columns; ``graphs`` returns its graphs beside the rows.

    Args:
        text: Names in ``ENCODINGS`` between ``+``, such as ``"graf+measures"``; the names of some scores may follow
            ``measures``, as in ``"graf+measures:synflow,naswot"``.
        inputs: The space and the data.

    Raises:
        InputError: A name is unknown or occurs twice, two encodings are graphs, or an encoding does not know the space
            or lacks data.
    """

    def __init__(self, text: str, inputs: EncodingInputs) -> None:
        parts = [part.strip().partition(":") for part in text.split("+")]
        if len({name for name, _, _ in parts}) < len(parts):
            raise InputError(f"an encoding must name each part once, got {text!r}", parameters=("encoding",))
        self.text = text
        made = [_part(name, chosen, inputs) for name, _, chosen in parts]
        graphs = [part for part in made if isinstance(part, GraphEncoding)]
        if len(graphs) > 1:
            raise InputError(f"an encoding must have one graph at most, got {text!r}", parameters=("encoding",))
        self.graph = graphs[0] if graphs else None
        self.parts = [part for part in made if isinstance(part, Encoding)]
        self.space = inputs.space
        metrics = [part.metric or inputs.metric for part in self.parts if part.reads == "curves"]
        if len({*metrics}) > 1:
            raise InputError(
                f"an encoding must read curves of one metric, {text!r} reads those of {' and '.join(metrics)}",
                parameters=("encoding",),
            )
        self.metric = metrics[0] if metrics else ""
        self._known: dict[str, NDArray[np.float64]] = {}

    def reads(self, data: str) -> bool:
        """Return whether a part reads ``"scores"``, ``"features"`` or ``"curves"``."""
        return any(part.reads == data for part in self.parts)

    def graphs(self, architectures: Sequence[str]) -> Graphs:
        """Return the graphs of ``n`` architectures.

        Raises:
            InputError: No part of the encoding is a graph, or the space has no such architecture.
        """
        if self.graph is None:
            raise InputError(f"an encoding must have a graph, got {self.text!r}; add graph", parameters=("encoding",))
        return self.graph.graphs(architectures)

    @property
    def points(self) -> int:
        """Fewest points of a learning curve; 0 where no part reads one."""
        return max((part.points for part in self.parts), default=0)

    @property
    def scores(self) -> tuple[str, ...]:
        """The names of the scores that rows hold."""
        return tuple(name for part in self.parts if part.reads == "scores" for name in part.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, each with the name of its encoding."""
        return tuple(f"{part.name}.{column}" for part in self.parts for column in part.columns)

    def learn(self, architectures: Sequence[str]) -> None:
        """Choose the columns of the encodings that depend on the architectures of the fit."""
        if any(part.learns for part in self.parts):
            self._known.clear()
            for part in self.parts:
                part.learn(architectures)

    def rows(self, architectures: Sequence[str], curves: Curves | None = None) -> NDArray[np.float64]:
        """Return ``n x f`` numbers; NaN only where a score or a point of a curve is missing.

        Raises:
            InputError: The space has no such architecture, or data about it is missing.
        """
        if not self.parts:
            return np.empty((len(architectures), 0))
        new = [one for one in dict.fromkeys(architectures) if one not in self._known]
        static = [part for part in self.parts if part.reads != "curves"]
        if new:
            blocks = [part.rows(new, None) for part in static]
            self._known.update(zip(new, np.hstack([np.empty((len(new), 0)), *blocks]), strict=True))
        fixed = np.array([self._known[one] for one in architectures]).reshape(len(architectures), -1)
        starts = np.cumsum([0, *(len(part.columns) for part in static)])
        slices = {
            part.name: fixed[:, start:end]
            for part, start, end in zip(static, starts[:-1].tolist(), starts[1:].tolist(), strict=True)
        }
        return np.hstack(
            [slices[part.name] if part.name in slices else part.rows(architectures, curves) for part in self.parts]
        )


def _part(name: str, chosen: str, inputs: EncodingInputs) -> AnyEncoding:
    """Return an encoding of all scores, or of those that are named between commas."""
    encoding = ENCODINGS[name]
    if not chosen:
        return encoding(inputs)
    if encoding.reads != "scores":
        raise InputError(
            f"names of scores must follow an encoding of scores, got {name}:{chosen}", parameters=("encoding",)
        )
    return encoding(inputs.with_scores(chosen.split(",")))
