"""Networks that read sequences of tokens: NAO and SemiNAS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.predictors.registry import register_model
from eznas.predictors.structured import SemiSupervisedSequencePredictor, SequencePredictor

if TYPE_CHECKING:
    from eznas.predictors.encoded import Regressor


@register_model(
    "nao",
    "Luo, Tian, Qin, Chen, Liu. Neural Architecture Optimization. NeurIPS 2018; settings of White et al. NeurIPS 2021",
    "an LSTM of width 64 reads the tokens in both directions. Two layers turn its result into the prediction, and a "
    "decoder with attention repeats the tokens. The loss is 0.8 times the squared error of the prediction plus 0.2 "
    "times the cross-entropy of the repeated tokens. The network is trained by Adam for 50 epochs of batches of 100, "
    "with learning rate 1e-3",
    encoding="tokens",
    predictor=SequencePredictor,
)
def nao(seed: int, **settings: Any) -> Regressor:
    """Make the network; for the settings, see ``eznas.predictors.nets.nao.SequenceRegressor``."""
    from eznas.predictors.nets.nao import SequenceRegressor

    return SequenceRegressor(seed, **settings)


@register_model(
    "seminas",
    "Luo, Tan, Wang, Qin, Chen, Liu. Semi-Supervised Neural Architecture Search. NeurIPS 2020; settings of White "
    "et al. NeurIPS 2021",
    "as nao, but 50 further epochs follow. They run on ten copies of each trained architecture, and on random "
    "architectures, as many as there are trained ones. The labels of the random architectures are the predictions of "
    "the network after the first 50 epochs",
    encoding="tokens",
    predictor=SemiSupervisedSequencePredictor,
)
def seminas(seed: int, **settings: Any) -> Regressor:
    """Make the network; for the settings, see ``eznas.predictors.nets.nao.SequenceRegressor``."""
    from eznas.predictors.nets.nao import SequenceRegressor

    return SequenceRegressor(seed, **settings)
