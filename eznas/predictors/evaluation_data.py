"""The data that predictors are evaluated on, and the rows of an evaluation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.base import Scores

Row = dict[str, Any]
"""A trial of one predictor at one size and one epoch: its metrics by name, None where undefined, and its seconds.

``fit_seconds`` and ``predict_seconds``, for one architecture, are those of the predictor. ``initialisation_seconds``
and ``query_seconds`` are these and the seconds of the data: of whole trainings and scores before the first prediction,
and of the beginning of a training and scores for one prediction; None where the table does not state them.
"""


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """The architectures of a table, and what predictors may read about them.

    Args:
        space: The name of the search space.
        accuracies: By architecture, all finite.
        scores: By the name of a measure or program, and then by architecture.
        curves: Learning curves in the order of ``accuracies``; None without any.
        seconds: Seconds of the whole training by architecture; empty where the table does not state them.
        score_seconds: By the name of a score, the seconds that it took by architecture; scores that were computed
            together share one mapping.
        supernet: The run directory of a trained supernet; None without one.
    """

    space: str
    accuracies: Mapping[str, float]
    scores: Scores = field(default_factory=dict)
    curves: Curves | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    score_seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    supernet: Path | str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of everything that predictions and their costs depend on."""
        digest = hashlib.sha256(json.dumps([self.space, [*self.accuracies.items()]]).encode())
        for kind, named in (
            ("scores", self.scores),
            ("seconds", {"": self.seconds}),
            ("score_seconds", self.score_seconds),
        ):
            for name, known in named.items():
                digest.update(json.dumps([kind, name, [known.get(one) for one in self.accuracies]]).encode())
        if self.curves is not None:
            digest.update(json.dumps(self.curves.epochs).encode())
            for metric, values in self.curves.values.items():
                digest.update(metric.encode() + np.ascontiguousarray(values).tobytes())
        if self.supernet:
            from eznas.supernet.trained import read_supernet

            digest.update(read_supernet(self.supernet).digest.encode())
        return digest.hexdigest()

    def of(self, architectures: Sequence[str]) -> tuple[NDArray[np.float64], Curves | None]:
        """Return accuracies and curves of some architectures."""
        values = np.array([self.accuracies[one] for one in architectures])
        if self.curves is None:
            return values, None
        places = {one: place for place, one in enumerate(self.accuracies)}
        return values, self.curves.rows([places[one] for one in architectures])
