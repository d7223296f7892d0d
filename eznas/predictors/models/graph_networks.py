"""Graph networks: the neural predictor of Wen et al., BONAS, and two that rank pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.predictors.ranges import Span
from eznas.predictors.registry import register_model
from eznas.predictors.structured import GraphPredictor, RankingGraphPredictor

if TYPE_CHECKING:
    from eznas.predictors.encoded import Regressor


@register_model(
    "gcn",
    "Wen, Liu, Chen, Li, Bender, Kindermans. Neural Predictor for Neural Architecture Search. ECCV 2020; settings of "
    "White et al. NeurIPS 2021",
    "four graph convolutions of width 144; each is the mean of a convolution along the edges and a convolution "
    "against the edges. A mean over the vertices and a layer of width 128 follow. The loss is the squared error. The "
    "network is trained by Adam with weight decay 3e-4 for 300 epochs of batches of 7; the learning rate falls from "
    "1e-4 along a cosine",
    encoding="graph",
    ranges={
        "hidden": Span(64, 200, whole=True),
        "batch": Span(5, 32, whole=True),
        "learning_rate": Span(1e-5, 0.1, log=True),
        "weight_decay": Span(1e-5, 0.1, log=True),
    },
    predictor=GraphPredictor,
)
def gcn(seed: int, **settings: Any) -> Regressor:
    """Make the neural predictor; for the settings, see ``eznas.predictors.nets.gcn.NeuralPredictor``."""
    from eznas.predictors.nets.gcn import NeuralPredictor

    return NeuralPredictor(seed, **settings)


@register_model(
    "bonas",
    "Shi et al. Bridging the Gap between Sample-based and One-shot Neural Architecture Search with BONAS. NeurIPS "
    "2020; settings of White et al. NeurIPS 2021",
    "four graph convolutions of width 64 with batch normalisation. Their result is read at an additional vertex to "
    "which all other vertices lead. The loss is the squared error. The network is trained by Adam for 100 epochs of "
    "batches of 128; the learning rate falls from 1e-4 along a cosine",
    encoding="graph",
    ranges={
        "hidden": Span(16, 128, whole=True),
        "batch": Span(32, 256, whole=True),
        "learning_rate": Span(1e-5, 0.1, log=True),
    },
    predictor=GraphPredictor,
)
def bonas(seed: int, **settings: Any) -> Regressor:
    """Make the network of BONAS; for the settings, see ``eznas.predictors.nets.bonas.GlobalVertexNetwork``."""
    from eznas.predictors.nets.bonas import GlobalVertexNetwork

    return GlobalVertexNetwork(seed, **settings)


@register_model(
    "gates",
    "Ning, Zheng, Zhao, Wang, Yang. A Generic Graph-based Neural Architecture Encoding Scheme for Predictor-based NAS. "
    "ECCV 2020",
    "information of width 128 flows from the input to the output, and each operation gates it; five layers of width "
    "300 follow. The loss is the hinge loss of pairs of architectures, with margin 0.1. The network is trained by "
    "Adam for 200 epochs of batches of 512, with learning rate 1e-3. Its predictions only rank",
    encoding="graph",
    predictor=RankingGraphPredictor,
)
def gates(seed: int, **settings: Any) -> Regressor:
    """Make the network; for the settings, see ``eznas.predictors.nets.gates.FlowNetwork``."""
    from eznas.predictors.nets.gates import FlowNetwork

    return FlowNetwork(seed, **settings)


@register_model(
    "ta_gates",
    "Ning et al. TA-GATES: An Encoding Scheme for Neural Network Architectures. NeurIPS 2022",
    "as gates, but information flows from the input to the output four times. A flow is done in steps, and each step "
    "moves the information one edge further. The number of steps is the number of edges on the longest path in any "
    "architecture of the fit, but at least three. After each of the first three flows, information flows back from the "
    "output. Each operation of an architecture has an embedding, which at first depends on its type alone. After a "
    "flow back, a layer of width 128 computes a change to the embedding of each operation that has weights. The layer "
    "reads this embedding and the information that reached the operation in the flow forward and in the flow back. A "
    "tenth of the change is added to the embedding. Its predictions only rank",
    encoding="graph",
    predictor=RankingGraphPredictor,
)
def ta_gates(seed: int, **settings: Any) -> Regressor:
    """Make the network; for the settings, see ``eznas.predictors.nets.ta_gates.TrainingFlowNetwork``."""
    from eznas.predictors.nets.ta_gates import TrainingFlowNetwork

    return TrainingFlowNetwork(seed, **settings)
