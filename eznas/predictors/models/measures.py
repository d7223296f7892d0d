"""Zero-cost proxies as predictors: an architecture's own score, without any trained one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.predictors.protocol import Needs, Prediction, Predictor
from eznas.predictors.registry import PREDICTORS, PredictorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eznas.predictors.curves import Curves
    from eznas.predictors.encodings.encoder import Encoder


class MeasurePredictor(Predictor):
    """Ranks by the score of a measure or program.

    The sign is the direction of the measure's record, for all spaces: a measure whose lower scores are better is
    negated. Scores that are of no registered measure are taken to be better where they are higher.

    Args:
        encoder: Its only column is that of the score.

    Raises:
        InputError: It has another number of columns.
    """

    needs = Needs(0, scores=True)
    in_unit = False

    def __init__(self, encoder: Encoder) -> None:
        if len(encoder.columns) != 1 or len(encoder.scores) != 1:
            raise InputError(
                f"measure must have one score, got {', '.join(encoder.columns)}; write measure:NAME for one of them"
            )
        self._encoder, self.scores_read = encoder, encoder.scores
        (name,) = encoder.scores
        self._direction = MEASURES[name].direction if name in MEASURES else 1

    def __repr__(self) -> str:
        return f"<predictor measure:{self.scores_read[0]}>"

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        """Learn nothing."""

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(self._direction * self._encoder.rows(architectures, curves)[:, 0])


def _measure(encoder: Encoder | None, **settings: Any) -> Predictor:
    assert encoder is not None  # noqa: S101 - make_predictor makes one
    return MeasurePredictor(encoder, **settings)


PREDICTORS.register(
    PredictorInfo(
        "measure",
        "Abdelfattah et al. Zero-Cost Proxies for Lightweight NAS. ICLR 2021",
        "the signed logarithm of the score of a measure or program. It is negated if a lower score of the measure is "
        "better. For the scores of synflow, write measure:synflow. Its predictions only rank",
        MeasurePredictor.needs,
        "nothing",
        "one score",
        _measure,
        encoding="measures",
    )
)
