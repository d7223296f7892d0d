"""Recurrent networks have the scores of networks that run the same layers step by step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.scoring.score_many import measure

WORDS, CHANNELS, HIDDEN, LENGTH = 12, 6, 5, 7
SUMS = ["params", "flops", "l2_norm", "grad_norm", "snip", "plain", "synflow", "zico", "gradsign", "jacob_cov"]
SUMS += ["ntk_condition", "zen"]
READS_OUTPUTS = ["depth", "fisher", "meco", "near"]


class Language(nn.Module):
    """A language model of recurrent layers; ``step`` runs them step by step with the same parameters."""

    def __init__(self, kind: type[nn.RNNBase], layers: int, *, step: bool) -> None:
        super().__init__()
        self.step, self.kind, self.layers = step, kind, layers
        self.words = nn.Embedding(WORDS, CHANNELS)
        self.rnn = kind(CHANNELS, HIDDEN, layers, batch_first=True)
        self.head = nn.Linear(HIDDEN, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens)
        if not self.step:
            x = self.rnn(x)[0]
        for layer in range(self.layers if self.step else 0):
            names = [f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            x = self.unrolled(x, *[getattr(self.rnn, name) for name in names])
        logits: Tensor = self.head(x)
        return logits

    def unrolled(self, x: Tensor, inner: Tensor, outer: Tensor, inner_bias: Tensor, outer_bias: Tensor) -> Tensor:
        hidden = cell = x.new_zeros(len(x), HIDDEN)
        outputs = []
        for entering in x.unbind(1):
            before = functional.linear(entering, inner, inner_bias)
            recurrent = functional.linear(hidden, outer, outer_bias)
            if self.kind is nn.LSTM:
                take, forget, new, give = (before + recurrent).chunk(4, 1)
                cell = forget.sigmoid() * cell + take.sigmoid() * new.tanh()
                hidden = give.sigmoid() * cell.tanh()
            else:
                (reset, update, new), (of_reset, of_update, of_new) = before.chunk(3, 1), recurrent.chunk(3, 1)
                share = (update + of_update).sigmoid()
                hidden = (1 - share) * (new + (reset + of_reset).sigmoid() * of_new).tanh() + share * hidden
            outputs.append(hidden)
        return torch.stack(outputs, 1)


def batch() -> Minibatch:
    tokens = torch.randint(0, WORDS, (4, LENGTH), generator=torch.Generator().manual_seed(0))
    return Minibatch.of((tokens, tokens.roll(-1, 1)))


@pytest.mark.parametrize(("kind", "layers"), [(nn.LSTM, 1), (nn.LSTM, 2), (nn.GRU, 1)])
def test_sums_over_weights_are_those_of_the_network_step_by_step(kind: type[nn.RNNBase], layers: int) -> None:
    whole, step = (construct(lambda step=step: Language(kind, layers, step=step)) for step in (False, True))  # type: ignore[misc]
    tokens = batch().images
    torch.testing.assert_close(whole(tokens), step(tokens))
    found, expected = measure(whole, batch(), SUMS), measure(step, batch(), SUMS)
    for name in SUMS:
        assert found[name].ok, (name, found[name])
        assert found[name].value == pytest.approx(expected[name].value, rel=2e-3), name
    gates = 4 if kind is nn.LSTM else 3
    products = LENGTH * (gates * HIDDEN * (CHANNELS + HIDDEN + (layers - 1) * 2 * HIDDEN) + HIDDEN * WORDS)
    assert found["flops"].value == products


def test_measures_of_outputs_say_that_recurrent_layers_hide_them() -> None:
    for name, score in measure(Language(nn.LSTM, 1, step=False), batch(), READS_OUTPUTS).items():
        assert (
            "hides the output of a layer; leave this measure out (the layer's weight is rnn.weight_ih_l0)"
            in score.detail
        ), name
