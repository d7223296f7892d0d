"""OMNI: NGBoost or SemiNAS on scores, the last point of a learning curve, and an encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eznas.predictors.binned import BinnedSequencePredictor
from eznas.predictors.encoded import EncodedPredictor
from eznas.predictors.models.boosting import ngboost
from eznas.predictors.models.sequence_networks import seminas
from eznas.predictors.ranges import Span
from eznas.predictors.registry import PREDICTORS, PredictorInfo, encoding_needs
from eznas.predictors.tuned import TunedPredictor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.predictors.encodings.encoder import Encoder
    from eznas.predictors.protocol import Predictor

_SEQUENCE = "tokens+measures+curve_end"
_ENCODING, _METRIC, _LABELS = "measures+curve_end+onehot", "train_loss", 4
_RANGES = {
    "n_estimators": Span(128, 512, log=True, whole=True),
    "learning_rate": Span(0.001, 0.1, log=True),
    "minibatch_frac": Span(0.1, 1),
    "max_depth": Span(1, 24, whole=True),
    "max_features": Span(0.1, 1),
    "min_samples_leaf": Span(2, 19, whole=True),
    "min_samples_split": Span(2, 19, whole=True),
}
"""Those of White et al.; a draw has no tau, and so is never the best, if its leaves are too large for any
split, or if its share of a fold (``minibatch_frac``) is below one architecture."""


def _omni(encoder: Encoder | None, draws: int = 35, **settings: Any) -> Predictor:
    """Make NGBoost with a search among ``draws`` settings; the other settings are those of ``ngboost``."""
    assert encoder is not None  # noqa: S101 - make_predictor makes one

    def make(drawn: Mapping[str, Any]) -> Predictor:
        chosen = {**drawn, **settings}
        ngboost(0, **chosen)  # unknown settings and a missing package raise here, not in a fit
        return EncodedPredictor("omni", encoder, lambda seed: ngboost(seed, **chosen), _LABELS)

    ranges = {key: span for key, span in _RANGES.items() if key not in settings}
    return TunedPredictor("omni", make, ranges, draws, no_search={"draws": 1})


def _omni_seminas(encoder: Encoder | None, **settings: Any) -> Predictor:
    """Make SemiNAS on binned columns; the settings are those of ``seminas``."""
    assert encoder is not None  # noqa: S101 - make_predictor makes one
    seminas(0, **settings)  # unknown settings raise here, not in a fit
    return BinnedSequencePredictor("omni_seminas", encoder, lambda seed: seminas(seed, **settings))


_PAPER = "White et al. How Powerful are Performance Predictors in Neural Architecture Search? NeurIPS 2021"
PREDICTORS.register(
    PredictorInfo(
        "omni",
        _PAPER,
        "NGBoost, which reads scores, the last training loss (SoTL-E) and the one-hot encoding. Of 35 settings, it "
        "takes the one with the highest cross-validated tau (published: the highest likelihood). To read jacob_cov as "
        "the only measure, as published, write omni@measures:jacob_cov+curve_end+onehot. For an ablation, leave out a "
        "part of the encoding: omni@curve_end+onehot reads no scores, omni@measures+onehot no curves, and "
        "omni@measures+curve_end no one-hot encoding",
        encoding_needs(_ENCODING, _LABELS, _METRIC),
        "training and scores of the architectures, and the fit",
        "first epochs of a training, the scores and the encoding",
        _omni,
        encoding=_ENCODING,
        metric=_METRIC,
        extra="ngboost",
    )
)
PREDICTORS.register(
    PredictorInfo(
        "omni_seminas",
        _PAPER,
        "SemiNAS, which reads the tokens of an architecture and a further token for each score and for the last "
        "training loss (SoTL-E). Each of these tokens is the number of the bin, among nine, in which its value lies. "
        "The bounds of the bins are quantiles of the values in the fit (published: constants measured on the "
        "benchmark). The random architectures of SemiNAS have no SoTL-E; the token in its place says so. To read "
        "jacob_cov as the only measure, as published, write omni_seminas@tokens+measures:jacob_cov+curve_end",
        replace(encoding_needs(_SEQUENCE, 2, _METRIC), unlabelled=True),
        "training and scores of the architectures, and the fit",
        "first epochs of a training, the scores and the encoding",
        _omni_seminas,
        encoding=_SEQUENCE,
        metric=_METRIC,
    )
)
