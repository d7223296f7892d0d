"""The encoder, predictor and decoder of neural architecture optimisation, on sequences of tokens.

References:
    [Luo 2018] Luo, Tian, Qin, Chen, Liu. Neural Architecture Optimization. NeurIPS 2018.
    [Luo 2020] Luo, Tan, Wang, Qin, Chen, Liu. Semi-Supervised Neural Architecture Search. NeurIPS 2020.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from eznas.errors import InputError
from eznas.predictors.nets.training import Training, reproducible, train
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eznas.predictors.structured import Sequences

_BATCH = 1024
_HALF = math.sqrt(0.5)


class SequenceRegressor:
    """Encodes sequences with an LSTM in both directions, and learns to predict labels and to repeat the sequence.

    The loss is ``trade_off`` times the squared error of the label, plus ``1 - trade_off`` times the mean cross-entropy
    of the tokens that the decoder predicts [Luo 2018].

    Where there are unlabelled sequences, the network labels them after its training. It is then trained for as many
    epochs again on the labelled ones, ``repeats`` times each, and on the others with these labels [Luo 2020].

    Args:
        seed: Seed of the initial weights, of dropout and of the batches.
        encoder_layers: Layers of the encoder's LSTM.
        decoder_layers: Layers of the decoder's LSTM.
        hidden: Width of embeddings and LSTMs.
        mlp_layers: Layers between the embedding of an architecture and its prediction, two or more.
        mlp_hidden: Their width.
        dropout: Probability of dropout.
        trade_off: Weight of the squared error, from 0 to 1.
        repeats: How often a labelled sequence stands in the second training.
        epochs: Epochs of each training.
        batch: See ``Training``.
        learning_rate: See ``Training``; it stays as it is.
        weight_decay: See ``Training``.
        clip: See ``Training``.

    Raises:
        InputError: ``mlp_layers`` is below 2.
    """

    def __init__(
        self,
        seed: int,
        *,
        encoder_layers: int = 1,
        decoder_layers: int = 1,
        hidden: int = 64,
        mlp_layers: int = 2,
        mlp_hidden: int = 16,
        dropout: float = 0.1,
        trade_off: float = 0.8,
        repeats: int = 10,
        epochs: int = 50,
        batch: int = 100,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        clip: float = 5.0,
    ) -> None:
        if mlp_layers < 2:  # noqa: PLR2004 - into the hidden width and back
            raise InputError(f"mlp_layers must be 2 or more, got {mlp_layers}")
        self._seed, self._trade_off, self._repeats = seed, trade_off, repeats
        self._layers, self._hidden, self._dropout = (encoder_layers, decoder_layers), hidden, dropout
        self._mlp = [hidden, *[mlp_hidden] * (mlp_layers - 1), hidden]
        self._training = Training(epochs, batch, learning_rate, weight_decay, cosine=False, clip=clip)

    def fit(self, inputs: Sequences, labels: NDArray[np.float64]) -> None:
        """Train on ``n`` sequences and ``n`` labels."""
        tokens, targets = torch.tensor(inputs.tokens), torch.tensor(labels, dtype=torch.float32)
        with reproducible(self._seed):
            self.network = _Network(inputs.vocabulary, self._layers, self._hidden, self._mlp, self._dropout)
            self._train(tokens, targets, "labelled")
            if len(inputs.unlabelled):
                others = torch.tensor(inputs.unlabelled)
                tokens = torch.cat([tokens.repeat(self._repeats, 1), others])
                targets = torch.cat([targets.repeat(self._repeats), self._labels(others)])
                self._train(tokens, targets, "all")

    def predict(self, inputs: Sequences) -> NDArray[np.float64]:
        """Return ``n`` predictions."""
        with reproducible(self._seed):
            predicted = self._labels(torch.tensor(inputs.tokens))
        return np.asarray(predicted.numpy(), dtype=np.float64)

    def _train(self, tokens: torch.Tensor, targets: torch.Tensor, stage: str) -> None:
        def loss(places: torch.Tensor) -> torch.Tensor:
            predicted, repeated = self.network(tokens[places])
            squared = functional.mse_loss(predicted, targets[places])
            entropy = functional.cross_entropy(repeated.flatten(0, 1), tokens[places].flatten())
            return self._trade_off * squared + (1 - self._trade_off) * entropy

        train(self.network, loss, len(tokens), self._training, derive_seed(self._seed, stage))

    def _labels(self, tokens: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([self.network.encoder(part)[2] for part in torch.split(tokens, _BATCH)])


class _Network(nn.Module):
    def __init__(self, vocabulary: int, layers: tuple[int, int], hidden: int, mlp: list[int], dropout: float) -> None:
        super().__init__()
        self.encoder = _Encoder(vocabulary, layers[0], hidden, mlp, dropout)
        self.decoder = _Decoder(vocabulary, layers[1], hidden, dropout)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``n`` predictions, and the ``n x l x t`` logits of each token after those before it."""
        outputs, embedding, predicted = self.encoder(tokens)
        before = functional.pad(tokens[:, :-1], (1, 0))
        return predicted, self.decoder(before, outputs, embedding)


class _Encoder(nn.Module):
    def __init__(self, vocabulary: int, layers: int, hidden: int, mlp: list[int], dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=between, bidirectional=True)
        self.joined = nn.Linear(2 * hidden, hidden)
        pairs = itertools.pairwise(mlp)
        self.mlp = nn.Sequential(
            *(layer for pair in pairs for layer in (nn.Linear(*pair), nn.ReLU(), nn.Dropout(dropout)))
        )
        self.regressor = nn.Linear(hidden, 1)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the ``n x l x h`` states, the ``n x h`` embedding of each architecture, and ``n`` predictions."""
        embedded = self.dropout(self.embedding(tokens))
        states = functional.normalize(embedded + self.joined(self.lstm(embedded)[0]), dim=-1)
        architecture = functional.normalize(states.mean(dim=1), dim=-1)
        predicted = self.regressor((architecture + self.mlp(architecture)) * _HALF)[:, 0]
        return states, architecture, predicted


class _Decoder(nn.Module):
    def __init__(self, vocabulary: int, layers: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=between)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.mixed = nn.Linear(2 * hidden, hidden, bias=False)
        self.token = nn.Linear(hidden, vocabulary)

    def forward(self, before: torch.Tensor, states: torch.Tensor, architecture: torch.Tensor) -> torch.Tensor:
        embedded = self.dropout(self.embedding(before))
        start = architecture.expand(self.lstm.num_layers, *architecture.shape).contiguous()
        values = (embedded + self.lstm(embedded, (start, start))[0]) * _HALF
        attention = torch.softmax(self.query(values) @ states.transpose(1, 2), dim=-1)
        attended = torch.tanh(self.mixed(torch.cat([attention @ states, values], dim=-1)))
        result: torch.Tensor = self.token((values + attended) * _HALF)
        return result
