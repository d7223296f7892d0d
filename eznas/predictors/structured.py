"""Predictors whose regressors read graphs or sequences instead of rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eznas.errors import InputError
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.encodings.tokens import Tokens
from eznas.seeds import python_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.encodings.encoder import Encoder
    from eznas.predictors.encodings.graphs import Graphs
    from eznas.spaces import SearchSpace

_PATIENCE = 20


@dataclass(frozen=True, eq=False)
class GraphInputs:
    """``n`` graphs, and the columns that stand beside them.

    Args:
        graphs: The graphs.
        rows: ``n x f``, the columns of the other parts of the encoding, such as ``measures`` of ``graph+measures``.
    """

    graphs: Graphs
    rows: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of graphs."""
        return len(self.graphs)


@dataclass(frozen=True, eq=False)
class Sequences:
    """``n`` sequences of ``l`` tokens.

    Args:
        tokens: ``n x l`` whole numbers, 0 for padding.
        vocabulary: Number of different tokens, the padding among them.
        unlabelled: ``m x l``, the tokens of architectures without accuracies; none for most predictors.
    """

    tokens: NDArray[np.int64]
    vocabulary: int
    unlabelled: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of sequences, without those that are not labelled."""
        return len(self.tokens)


class GraphPredictor(EncodedPredictor):
    """Gives its regressor ``GraphInputs``; its encoding has one graph, and any columns beside it.

    Attributes:
        columns: Whether the regressor reads the columns beside the graph.
    """

    columns: ClassVar[bool] = True

    def _check(self, name: str, encoder: Encoder) -> None:
        if encoder.graph is None:
            raise InputError(
                f"{name} reads a graph, and {encoder.text} has none; choose graph"
                + (", also beside columns as in graph+measures" if self.columns else ""),
                parameters=("encoding",),
            )
        if encoder.parts and not self.columns:
            raise InputError(
                f"{name} reads a graph alone, and {encoder.text} has columns beside it; choose {encoder.graph.name}",
                parameters=("encoding",),
            )

    def _inputs(self, architectures: list[str], rows: NDArray[np.float64]) -> GraphInputs:
        return GraphInputs(self.encoder.graphs(architectures), rows)


class RankingGraphPredictor(GraphPredictor):
    """Its regressor learns an order; predictions do not have the unit of the accuracies."""

    in_unit = False


class GraphAlonePredictor(RankingGraphPredictor):
    """Its regressor reads no columns."""

    columns = False


class SequencePredictor(EncodedPredictor):
    """Gives its regressor ``Sequences``; its encoding is ``tokens`` alone."""

    def _check(self, name: str, encoder: Encoder) -> None:
        if encoder.graph is not None or len(encoder.parts) != 1 or not isinstance(encoder.parts[0], Tokens):
            raise InputError(
                f"{name} reads sequences of tokens, and {encoder.text} is something else; choose tokens",
                parameters=("encoding",),
            )

    def _inputs(self, architectures: list[str], rows: NDArray[np.float64]) -> Sequences:
        del architectures
        encoding: Any = self.encoder.parts[0]
        return Sequences(rows.astype(np.int64), encoding.vocabulary, np.empty((0, rows.shape[1]), dtype=np.int64))


class SemiSupervisedSequencePredictor(SequencePredictor):
    """As ``SequencePredictor``; a fit to ``n`` architectures also has ``n`` random ones of the space, as far as it has.

    They differ from each other and from those of the fit.
    """

    draws_unlabelled = True

    def _training_inputs(self, architectures: list[str], rows: NDArray[np.float64], seed: int) -> Sequences:
        space: Any = self.encoder.space
        drawn = draw_unlabelled(space, set(map(space.parse, architectures)), len(architectures), seed)
        return replace(self._inputs(architectures, rows), unlabelled=self._unlabelled(drawn))

    def _unlabelled(self, architectures: list[str]) -> NDArray[np.int64]:
        """Return the tokens of architectures without accuracies."""
        return self.encoder.parts[0].rows(architectures, None).astype(np.int64)


def draw_unlabelled(space: SearchSpace, taken: set[str], count: int, seed: int) -> list[str]:
    """Draw different architectures of a space; fewer than asked for where 20 draws for each do not find them.

    Args:
        space: The space.
        taken: Official strings that may not be drawn.
        count: Number of architectures.
        seed: Seed of the draws.
    """
    rng = python_rng(seed, "unlabelled")
    drawn: dict[str, None] = {}
    for _ in range(_PATIENCE * count):
        if len(drawn) == count:
            break
        architecture = space.parse(space.sample(rng))
        if architecture not in taken:
            drawn[architecture] = None
    return [*drawn]
