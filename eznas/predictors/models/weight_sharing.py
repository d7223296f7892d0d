"""Weight sharing: the validation accuracy of an architecture with the weights of a trained supernet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.errors import InputError
from eznas.predictors.protocol import Needs, Prediction, Predictor
from eznas.predictors.registry import PREDICTORS, PredictorInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.encoder import Encoder
    from eznas.supernet.trained import TrainedSupernet

_NEEDS = Needs(0, supernet=True)


class WeightSharing(Predictor):
    """Predicts the accuracy with inherited weights; ``fit`` reads nothing.

    Args:
        method: How the supernet was trained, ``"rsws"`` or ``"oneshot"``.
        supernet: The trained supernet, its file or its run directory; None to state the needs alone.

    Raises:
        InputError: The supernet cannot be read, or was trained by another method.
    """

    needs = _NEEDS
    in_unit = False

    def __init__(self, method: str, supernet: TrainedSupernet | Path | str | None = None) -> None:
        from eznas.supernet.trained import TrainedSupernet, read_supernet

        self._method = method
        self._supernet = (
            supernet if supernet is None or isinstance(supernet, TrainedSupernet) else read_supernet(supernet)
        )
        if self._supernet is not None and self._supernet.config.method != method:
            raise InputError(
                f"supernet must be one of {method}, got one of {self._supernet.config.method}; choose that predictor, "
                "or train another supernet",
                parameters=("supernet",),
            )

    def __repr__(self) -> str:
        return f"<predictor {self._method}>"

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        del architectures, accuracies, curves, seed

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        del curves
        if self._supernet is None:
            raise InputError(
                f"supernet must be given: {self._method} evaluates architectures with its weights; give the run "
                "directory that eznas predict supernet wrote",
                parameters=("supernet",),
            )
        return Prediction.of(np.array([self._supernet.accuracy(one) for one in architectures]))


def _register(name: str, paper: str, description: str) -> None:
    def make(encoder: Encoder | None, **settings: Any) -> Predictor:
        del encoder
        return WeightSharing(name, **settings)

    before, query = "training of the supernet", "one evaluation with inherited weights"
    PREDICTORS.register(PredictorInfo(name, paper, description, _NEEDS, before, query, make))


_register(
    "rsws",
    "Li, Talwalkar. Random Search and Reproducibility for Neural Architecture Search. UAI 2019",
    "the validation accuracy with the weights of a supernet. Each step of the supernet's training trains one random "
    "operation on each edge. Its predictions only rank",
)
_register(
    "oneshot",
    "Bender, Kindermans, Zoph, Vasudevan, Le. Understanding and Simplifying One-Shot Architecture Search. ICML 2018; "
    "without path dropout, as in White et al. NeurIPS 2021",
    "the validation accuracy with the weights of a supernet. Each step of the supernet's training trains the sum of "
    "all operations on each edge. Its predictions only rank",
)
