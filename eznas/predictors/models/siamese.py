"""The predictors of Siamese-NAS and BRP-NAS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.predictors.registry import register_model
from eznas.predictors.structured import GraphAlonePredictor, GraphPredictor

if TYPE_CHECKING:
    from eznas.predictors.encoded import Regressor


@register_model(
    "siamese_nas",
    "Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural Architecture by "
    "Prior Knowledge. 2022",
    "three graph convolutions of width 64 along the edges and against them. Self-attention of the nodes follows the "
    "second convolution. A head turns the result into the prediction. If the encoding has columns beside the graph, "
    "as in `graph+estimation_code`, there is a second head, which reads these columns too. Both heads are then "
    "trained, and the prediction is that of the second head. The network is trained by Adam for 200 epochs of batches "
    "of 8; the learning rate is 1e-3 and, in the last 30 % of the epochs, 1e-4",
    encoding="graph",
    predictor=GraphPredictor,
)
def siamese_nas(seed: int, **settings: Any) -> Regressor:
    """Make the predictor; for the settings, see ``eznas.predictors.siamese.regressor.SiameseRegressor``."""
    from eznas.predictors.siamese.regressor import SiameseRegressor

    return SiameseRegressor(seed, **settings)


@register_model(
    "brp_nas",
    "Dudziak, Chau, Abdelfattah, Lee, Kim, Lane. BRP-NAS: Prediction-based NAS using GCNs. NeurIPS 2020",
    "four graph convolutions of width 600. Their result is read at an additional vertex to which all other vertices "
    "lead. A linear layer then compares two architectures. The loss is the Kullback-Leibler divergence of this "
    "comparison from the softmax of the two accuracies. The network is trained by AdamW for 250 epochs of batches of "
    "64 pairs; the learning rate falls from 3.5e-4 along a cosine. Its predictions only rank",
    encoding="graph",
    predictor=GraphAlonePredictor,
)
def brp_nas(seed: int, **settings: Any) -> Regressor:
    """Make the predictor; for the settings, see ``eznas.predictors.brp.network.BrpSettings``."""
    from eznas.predictors.brp.network import BrpSettings
    from eznas.predictors.brp.regressor import BrpRegressor

    return BrpRegressor(seed, BrpSettings(**settings))
