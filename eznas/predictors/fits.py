"""A fit that is kept in a file: its data, settings and seed, from which it is made again."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import EznasError, InputError
from eznas.files import write_output
from eznas.predictors.curves import Curves
from eznas.predictors.registry import make_predictor
from eznas.predictors.tuned import TunedPredictor
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from eznas.predictors.encodings.base import Scores
    from eznas.predictors.evaluation import PredictorChoice
    from eznas.predictors.evaluation_data import EvaluationData
    from eznas.predictors.protocol import Predictor

_FORMAT = 2
_CHECKED = 5
_TOLERANCE = 1e-6
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "xgboost", "xgboost-cpu", "lightgbm", "ngboost")


@dataclass(frozen=True)
class KeptFit:
    """Everything that a fit depends on. Fitting again to it gives the same predictor with the same packages.

    Args:
        space: The search space.
        target: The accuracy, in words.
        predictor: The predictor's name and encoding.
        settings: The hyper-parameters that a search chose; empty for the defaults.
        seed: Seed of the fit.
        architectures: The trained architectures.
        accuracies: Their accuracies.
        scores: By name, their scores.
        epochs: The epochs of their learning curves; empty without curves.
        curves: By metric, their learning curves.
        columns: By metric, the column of the table that is the whole training.
        expected: Predictions for the first of the trained architectures.
        versions: The versions of the packages that may fit.
        left_out: The architectures of the table without a score or a point of a curve, which are not trained.
    """

    space: str
    target: str
    predictor: str
    settings: dict[str, Any]
    seed: int
    architectures: list[str]
    accuracies: list[float]
    scores: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    expected: list[float | None] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write the fit as JSON.

        Raises:
            InputError: The file cannot be written.
        """
        write_output(path, json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> KeptFit:
        """Read a file of ``save``.

        Raises:
            InputError: It cannot be read, or is no such file.
        """
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            if read.pop("format") != _FORMAT:
                raise InputError(f"{path} must be a fit of format {_FORMAT}, got another one; fit again")
            return cls(**read)
        except OSError as error:
            raise InputError(f"{path} must be a readable fit: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path} must be a file that eznas predict fit wrote, but it holds something else"
            ) from error

    def refit(self, scores: Scores | None = None, supernet: Path | str | None = None) -> Predictor:
        """Fit again.

        Args:
            scores: Scores of the architectures that are to be predicted, by name.
            supernet: Run directory of the supernet that the predictor reads.

        Raises:
            InputError: The predictor does not exist here, or scores are missing.
            EznasError: The fit failed.
        """
        if self.scores and not scores:
            raise InputError(
                f"scores must be given: {self.predictor} reads {', '.join(self.scores)}", parameters=("scores",)
            )
        missing = next((name for name in self.scores if scores is not None and name not in scores), None)
        if missing is not None:
            raise InputError(f"scores must have a column {missing}, which the fit reads", parameters=("scores",))
        merged = {
            name: {**(scores or {}).get(name, {}), **dict(zip(self.architectures, values, strict=True))}
            for name, values in self.scores.items()
        }
        name, _, encoding = self.predictor.partition("@")
        predictor = make_predictor(
            name, self.space, encoding=encoding or None, scores=merged, supernet=supernet, **self.settings
        )
        if predictor.fit(self.architectures, self.accuracies, self.trained_curves, self.seed) is not Status.OK:
            raise EznasError(f"the fit of {self.predictor} failed: {predictor.detail}")
        return predictor

    def reproduced(self, predictor: Predictor) -> bool:
        """Return whether a predictor of ``refit`` predicts what the first one did."""
        return np.allclose(
            np.array(_first_predictions(predictor, self.architectures, self.trained_curves), dtype=np.float64),
            np.array(self.expected, dtype=np.float64),
            rtol=_TOLERANCE,
            atol=_TOLERANCE,
            equal_nan=True,
        )

    @property
    def trained_curves(self) -> Curves | None:
        """The learning curves of the trained architectures."""
        if not self.curves:
            return None
        return Curves(tuple(self.epochs), {metric: np.array(values) for metric, values in self.curves.items()})


def fit_and_keep(
    data: EvaluationData, choice: PredictorChoice, target: str, columns: Mapping[str, str], seed: int
) -> tuple[Predictor, KeptFit]:
    """Fit a predictor to all architectures of a table.

    Args:
        data: The table.
        choice: The predictor.
        target: The accuracy, in words.
        columns: By metric of a learning curve, the column of the table that is the whole training.
        seed: Seed of the fit.

    Returns:
        The predictor, and the fit to keep.

    Raises:
        InputError: The predictor does not exist or lacks data.
        EznasError: The fit failed.
    """
    predictor = choice.make(data)
    architectures = [*data.accuracies]
    accuracies = [*data.accuracies.values()]
    if predictor.fit(architectures, accuracies, data.curves, seed) is not Status.OK:
        raise EznasError(f"the fit of {choice} failed: {predictor.detail}")
    return predictor, KeptFit(
        space=data.space,
        target=target,
        predictor=str(replace(choice, tune=0)),
        settings=predictor.refit_settings if isinstance(predictor, TunedPredictor) else {},
        seed=seed,
        architectures=architectures,
        accuracies=accuracies,
        scores={name: [data.scores[name][one] for one in architectures] for name in predictor.scores_read},
        epochs=[] if data.curves is None else [*data.curves.epochs],
        curves={} if data.curves is None else {metric: rows.tolist() for metric, rows in data.curves.values.items()},
        columns=dict(columns),
        expected=_first_predictions(predictor, architectures, data.curves),
        versions=fit_versions(),
    )


def _first_predictions(predictor: Predictor, architectures: list[str], curves: Curves | None) -> list[float | None]:
    first = architectures[:_CHECKED]
    mean = predictor.predict(first, None if curves is None else curves.rows(range(len(first)))).mean
    return [value if np.isfinite(value) else None for value in mean.tolist()]


def fit_versions() -> dict[str, str]:
    """Return the versions of the packages that may fit, of those that are installed."""
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
