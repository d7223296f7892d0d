from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from eznas.errors import InputError
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.nets.nao import SequenceRegressor
from eznas.predictors.structured import SemiSupervisedSequencePredictor, Sequences, draw_unlabelled
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sequences(count: int, unlabelled: int = 0) -> Sequences:
    space, rng = SPACES["nasbench101"], random.Random(0)
    drawn = [space.sample(rng) for _ in range(count + unlabelled)]
    encoder = Encoder("tokens", EncodingInputs(space))
    tokens = encoder.rows(drawn).astype(np.int64)
    return Sequences(tokens[:count], 7, tokens[count:])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoder_layers", 2), ("decoder_layers", 2), ("hidden", 6), ("mlp_layers", 3), ("mlp_hidden", 5),
        ("dropout", 0.3), ("trade_off", 0.3), ("epochs", 3), ("batch", 3), ("learning_rate", 0.003),
        ("weight_decay", 0.1), ("clip", 0.01), ("repeats", 3),
    ],
)  # fmt: skip
def test_every_setting_of_nao_is_used(name: str, value: Any) -> None:
    """Published code draws these hyper-parameters and trains with the defaults."""
    made, labels = sequences(5, unlabelled=2), np.array([0.0, 1, -1, 2, 5])
    base = {"hidden": 8, "mlp_hidden": 4, "epochs": 2, "repeats": 2, "batch": 5, "learning_rate": 0.01}
    predicted = []
    for settings in (base, base | {name: value}):
        regressor = SequenceRegressor(0, **settings)
        regressor.fit(made, labels)
        predicted.append(regressor.predict(made))
    assert not np.allclose(predicted[0], predicted[1], atol=1e-7)


def test_nao_has_two_layers_or_more_after_the_embedding() -> None:
    with pytest.raises(InputError, match="mlp_layers must be 2 or more, got 1"):
        SequenceRegressor(0, mlp_layers=1)


def test_the_decoder_learns_to_repeat_the_tokens() -> None:
    """A token depends on those before it alone; with most of the weight on it, its entropy falls."""
    made = sequences(6)
    tokens = torch.tensor(made.tokens)
    entropies = []
    for epochs in (0, 40):
        regressor = SequenceRegressor(0, hidden=12, epochs=epochs, trade_off=0.1, learning_rate=0.02, dropout=0.0)
        regressor.fit(made, np.zeros(6))
        with torch.no_grad():
            logits = regressor.network(tokens)[1]
        entropies.append(nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).item())
    assert entropies[1] < 0.5 * entropies[0]
    states, architecture, _ = regressor.network.encoder(tokens)
    changed = tokens[:, :-1].clone()
    changed[:, 9:] = 0
    before = [nn.functional.pad(each, (1, 0)) for each in (tokens[:, :-1], changed)]
    both = [regressor.network.decoder(each, states, architecture) for each in before]
    assert torch.equal(both[0][:, :10], both[1][:, :10])
    assert not torch.equal(both[0][:, 10:], both[1][:, 10:])


class Recorder:
    """A regressor that keeps the data of its fit."""

    def fit(self, X: Sequences, y: NDArray[np.float64]) -> None:  # noqa: ARG002, N803
        self.inputs = X

    def predict(self, X: Sequences) -> NDArray[np.float64]:  # noqa: N803
        return np.zeros(len(X))


def test_unlabelled_architectures_are_new_and_as_many() -> None:
    space = SPACES["nasbench201"]
    cells = (space.architectures() or [])[:30]
    predictor = SemiSupervisedSequencePredictor("mine", Encoder("tokens", EncodingInputs(space)), lambda _: Recorder())
    assert predictor.needs.unlabelled
    unlabelled = []
    for seed in (0, 0, 1):
        predictor.fit(cells, np.arange(30.0), seed=seed)
        assert isinstance(predictor.regressor, Recorder)
        unlabelled.append({tuple(row) for row in predictor.regressor.inputs.unlabelled.tolist()})
    assert [*map(len, unlabelled)] == [30, 30, 30]
    assert not unlabelled[0] & {tuple(row) for row in predictor.regressor.inputs.tokens.tolist()}
    assert unlabelled[0] == unlabelled[1] != unlabelled[2]


def test_a_space_without_new_architectures_has_none_to_draw() -> None:
    space = SPACES["nasbench_macro"]
    assert draw_unlabelled(space, set(space.architectures() or []), 5, seed=0) == []


def test_unlabelled_sequences_are_labelled_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second training has each labelled sequence as often as asked for, and the others once."""
    trained: list[torch.Tensor] = []
    whole = SequenceRegressor._train

    def record(self: SequenceRegressor, tokens: torch.Tensor, targets: torch.Tensor, stage: str) -> None:
        if stage == "all":
            assert torch.equal(targets[15:], self._labels(tokens[15:]))
        trained.append(tokens)
        whole(self, tokens, targets, stage)

    monkeypatch.setattr(SequenceRegressor, "_train", record)
    SequenceRegressor(0, hidden=4, epochs=1, repeats=3).fit(sequences(5, unlabelled=4), np.arange(5.0))
    assert [len(tokens) for tokens in trained] == [5, 3 * 5 + 4]
    assert torch.equal(trained[1][5:10], trained[0])
