"""Performance predictors: accuracies of architectures from those of others, and from the beginning of a training."""

from eznas.predictors.curves import Curves
from eznas.predictors.encodings.base import ENCODINGS, register_encoding
from eznas.predictors.estimator import from_estimator
from eznas.predictors.protocol import Needs, Prediction, Predictor
from eznas.predictors.registry import PREDICTORS, make_predictor, register_model
from eznas.predictors.transfer import TransferredPredictor, common_scores

__all__ = [
    "ENCODINGS",
    "PREDICTORS",
    "Curves",
    "Needs",
    "Prediction",
    "Predictor",
    "TransferredPredictor",
    "common_scores",
    "from_estimator",
    "make_predictor",
    "register_encoding",
    "register_model",
]
