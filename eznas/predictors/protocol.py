"""The protocol of performance predictors: needs, ``fit``, ``predict``, and failures as statuses.

A subclass of ``Predictor`` writes ``_fit`` and ``_predict``; the base class checks the needs before both, and turns
failures into statuses after them.
"""

from __future__ import annotations

import abc
import contextlib
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import EznasError, InputError
from eznas.seeds import derive_seed
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves


@dataclass(frozen=True)
class Needs:
    """What a predictor must be given.

    Args:
        labels: Fewest trained architectures for a fit; 0 where a predictor does not learn from accuracies.
        curve: The metric of the learning curves that it reads, a name of ``eznas.predictors.curves.METRICS``; empty
            for none.
        epochs: Fewest points of a curve.
        scores: Whether it reads a table of scores.
        features: Whether it reads the space's own features of an architecture.
        supernet: Whether it reads a trained supernet.
        unlabelled: Whether it draws architectures without accuracies from the space, as many as have been trained.
    """

    labels: int = 2
    curve: str = ""
    epochs: int = 0
    scores: bool = False
    features: bool = False
    supernet: bool = False
    unlabelled: bool = False

    def __str__(self) -> str:
        parts = [
            f"{self.labels} trained architectures" if self.labels else "",
            f"curves of {self.curve} with {self.epochs} {'point' if self.epochs == 1 else 'points'}"
            if self.curve
            else "",
            "scores" if self.scores else "",
            "features of the space" if self.features else "",
            "a trained supernet" if self.supernet else "",
            "as many untrained architectures" if self.unlabelled else "",
        ]
        return ", ".join(filter(None, parts)) or "nothing"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions for ``n`` architectures; higher is better.

    Args:
        mean: The predictions; NaN where the status is not OK. They have the unit of the accuracies where
            ``Predictor.in_unit`` holds, and only rank otherwise.
        standard_deviation: The predictor's own uncertainty about each mean; None where it states none.
        statuses: The outcome for each architecture.
    """

    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64] | None
    statuses: tuple[Status, ...]

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(self.mean)

    @classmethod
    def of(cls, mean: NDArray[np.float64], deviation: NDArray[np.float64] | None = None) -> Prediction:
        """Wrap numbers: those that are not finite get a status and lose their value."""
        finite = np.isfinite(mean)
        if deviation is not None:
            finite &= np.isfinite(deviation)
            deviation = np.where(finite, deviation, np.nan)
        statuses = tuple(Status.OK if ok else Status.NON_FINITE for ok in finite.tolist())
        return cls(np.where(finite, mean, np.nan), deviation, statuses)

    @classmethod
    def failed(cls, count: int, status: Status) -> Prediction:
        """Return predictions without values."""
        return cls(np.full(count, np.nan), None, (status,) * count)


class Predictor(abc.ABC):
    """Predicts the accuracies of architectures from those of others, from their learning curves, or from both.

    Attributes:
        needs: What ``fit`` and ``predict`` must be given.
        in_unit: Whether the predictions have the unit of the accuracies; otherwise they only rank.
        scores_read: The names of the scores that a prediction reads.
        status: The outcome of the last fit.
        detail: The message of the failure of the last fit; empty without one.
    """

    needs: Needs = Needs()
    in_unit: bool = True
    scores_read: tuple[str, ...] = ()
    status: Status | None = None
    detail: str = ""

    def fit(
        self,
        architectures: Sequence[str],
        accuracies: Sequence[float] | NDArray[np.float64],
        curves: Curves | None = None,
        seed: int = 0,
    ) -> Status:
        """Fit to trained architectures. The same arguments give the same predictor, whatever it was fitted to before.

        Args:
            architectures: ``n`` official strings.
            accuracies: Their ``n`` accuracies.
            curves: Their learning curves, for a predictor that needs them.
            seed: Seed of all random draws.

        Returns:
            The outcome. After a failure, ``detail`` says why, and every prediction has the same status.

        Raises:
            InputError: A need is missing; the message says what to give.
        """
        labels = np.array(accuracies, dtype=np.float64)
        if labels.shape != (len(architectures),):
            raise InputError(
                f"accuracies must be one number per architecture, {len(architectures)}, got shape {labels.shape}"
            )
        if not np.isfinite(labels).all():
            raise InputError("accuracies must be finite; leave out architectures without one")
        if len(labels) < self.needs.labels:
            raise InputError(
                f"{self!r} must be fitted to {self.needs.labels} trained architectures or more, got {len(labels)}; "
                "give more"
            )
        if self.needs.labels:
            self._check_curves(curves, len(labels), "fit")
        self.status, self.detail = Status.OK, ""
        try:
            with np.errstate(all="ignore"), global_draws(derive_seed(seed, "global draws")):
                self._fit(list(architectures), labels, curves, seed)
        except EznasError:
            self.status = None
            raise
        except library_failures() as error:
            self.status, self.detail = Status.EXCEPTION, f"{type(error).__name__}: {error}"
        return self.status

    def predict(self, architectures: Sequence[str], curves: Curves | None = None) -> Prediction:
        """Predict; the prediction for an architecture does not depend on the others.

        Args:
            architectures: ``n`` official strings.
            curves: Their learning curves, for a predictor that needs them.

        Raises:
            InputError: The predictor was not fitted, or a need is missing; the message says what to give.
        """
        if self.status is None and self.needs.labels:
            raise InputError(f"{self!r} must be fitted before it predicts; call fit first")
        self._check_curves(curves, len(architectures), "predict")
        if self.status not in (None, Status.OK):
            return Prediction.failed(len(architectures), self.status)
        if not architectures:
            return Prediction(np.empty(0), None, ())
        try:
            with np.errstate(all="ignore"), global_draws(0):
                return self._predict(list(architectures), curves)
        except library_failures() as error:
            self.detail = f"{type(error).__name__}: {error}"
            return Prediction.failed(len(architectures), Status.EXCEPTION)

    def states_deviation(self) -> bool | None:
        """Return whether predictions have standard deviations; None where that is known only after a fit."""
        return None

    @abc.abstractmethod
    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        """Fit to data that meets the needs; an exception of ``library_failures`` becomes a status."""

    @abc.abstractmethod
    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        """Predict for one architecture or more after a fit that did not fail."""

    def _check_curves(self, curves: Curves | None, count: int, method: str) -> None:
        metric, points = self.needs.curve, self.needs.epochs
        if not metric:
            return
        must = f"{self!r} needs those of {metric} with {_points(points)} or more"
        if curves is None:
            raise InputError(f"curves must be given to {method}: {must}", parameters=("curves",))
        if metric not in curves.values:
            raise InputError(f"curves have only {', '.join(curves.values)}; {must}", parameters=("curves",))
        if len(curves.epochs) < points:
            raise InputError(f"curves have {len(curves.epochs)} points; {must}; give more", parameters=("curves",))
        if len(curves) != count:
            raise InputError(
                f"curves must be those of the {count} architectures, got {len(curves)}", parameters=("curves",)
            )


def library_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions by which libraries report that a fit or a prediction failed.

    They are those of arithmetic, of singular matrices (``ValueError`` in numpy, ``RuntimeError`` in torch), of bad
    values, of missing keys and indices, of memory, and the one of LightGBM, which derives from ``Exception``; that of
    XGBoost is a ``ValueError``. Any other exception is a bug and is raised.
    """
    lightgbm = sys.modules.get("lightgbm.basic")
    named = (ArithmeticError, LookupError, MemoryError, RuntimeError, ValueError)
    return named if lightgbm is None else (*named, lightgbm.LightGBMError)


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


@contextlib.contextmanager
def global_draws(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch, which some regressors use; put them back afterwards."""
    import torch

    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - that of others' code
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed devices too
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
