"""Predictors whose regressors read sequences of tokens and, as further tokens, binned columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.predictors.encodings.tokens import Tokens
from eznas.predictors.structured import SemiSupervisedSequencePredictor, Sequences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.encodings.encoder import Encoder

BINS = 9
"""Most bins of a column."""


class BinnedSequencePredictor(SemiSupervisedSequencePredictor):
    """As ``SemiSupervisedSequencePredictor``; the encoding is ``tokens`` and columns such as ``tokens+measures``.

    Each column adds a token: the number of the bin of its value. The bounds of the bins are quantiles of the values of
    the fit alone. Architectures without accuracies have no learning curves and may lack scores; the token of an unknown
    value is 0.
    """

    def _check(self, name: str, encoder: Encoder) -> None:
        parts = encoder.parts
        if encoder.graph is not None or len(parts) == 1 or not isinstance(parts[0], Tokens):
            raise InputError(
                f"{name} reads tokens and columns, and {encoder.text} is something else; choose tokens first, as in "
                "tokens+measures",
                parameters=("encoding",),
            )

    def _inputs(self, architectures: list[str], rows: NDArray[np.float64]) -> Sequences:
        del architectures
        encoding: Any = self.encoder.parts[0]
        length = len(encoding.columns)
        binned = bin_numbers(rows[:, length:], self._bounds)
        firsts = encoding.vocabulary - 1 + BINS * np.arange(binned.shape[1])
        tokens = np.hstack([rows[:, :length].astype(np.int64), np.where(binned > 0, firsts + binned, 0)])
        return Sequences(
            tokens, encoding.vocabulary + BINS * binned.shape[1], np.empty((0, tokens.shape[1]), dtype=np.int64)
        )

    def _training_inputs(self, architectures: list[str], rows: NDArray[np.float64], seed: int) -> Sequences:
        columns = rows[:, len(self.encoder.parts[0].columns) :]
        self._bounds = [quantile_bounds(column) for column in columns.T]
        return super()._training_inputs(architectures, rows, seed)

    def _unlabelled(self, architectures: list[str]) -> NDArray[np.int64]:
        unknown = np.full((len(architectures), 1), np.nan)
        rows = [
            part.rows(architectures, None) if part.reads != "curves" else unknown.repeat(len(part.columns), axis=1)
            for part in self.encoder.parts
        ]
        return self._inputs(architectures, np.hstack(rows)).tokens


def quantile_bounds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inner bounds of at most 9 bins that hold equally many of the values."""
    return np.unique(np.quantile(values, np.arange(1, BINS) / BINS))


def bin_numbers(columns: NDArray[np.float64], bounds: list[NDArray[np.float64]]) -> NDArray[np.int64]:
    """Return the bins of ``n x f`` values, counted from 1; 0 for NaN."""
    numbers = [
        np.where(np.isnan(column), 0, 1 + np.searchsorted(inner, column, side="right"))
        for column, inner in zip(columns.T, bounds, strict=True)
    ]
    return np.array(numbers, dtype=np.int64).T
