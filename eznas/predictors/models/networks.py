"""Multilayer perceptrons in torch: one, and the ensemble of BANANAS."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.predictors.ranges import Choice, Span
from eznas.predictors.registry import register_model
from eznas.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from eznas.predictors.encoded import Regressor
    from eznas.predictors.ranges import Range

_RANGES: dict[str, Range] = {
    "layers": Span(5, 24, whole=True),
    "width": Span(5, 24, whole=True),
    "learning_rate": Choice((0.1, 0.01, 0.005, 0.001, 0.0001)),
}
"""Those of White et al."""


@register_model(
    "mlp",
    "White et al. How Powerful are Performance Predictors in Neural Architecture Search? NeurIPS 2021",
    "20 hidden layers of 20 ReLU units, with torch's initial weights. The loss is the mean absolute error plus 0.2 "
    "times the mean absolute weight of the output layer. The network is trained by Adam for 500 epochs of batches of "
    "32, with learning rate 1e-3. A fit fails if its predictions for the trained architectures are all equal",
    ranges=_RANGES,
)
def mlp(seed: int, **settings: Any) -> Regressor:
    """Make a perceptron; for the settings, see ``Perceptron``."""
    return Perceptron(seed, **settings)


@register_model(
    "bananas",
    "White, Neiswanger, Savani. BANANAS. AAAI 2021",
    "the mean of three mlp predictors with different initial weights. The uncertainty is the standard deviation of the "
    "three predictions",
    encoding="path",
    ranges=_RANGES,
)
def bananas(seed: int, members: int = 3, **settings: Any) -> Regressor:
    """Make an ensemble of perceptrons; an ensemble needs two members or more to have a spread."""
    from eznas.errors import InputError

    if members < 2:  # noqa: PLR2004 - a spread
        raise InputError(f"members of bananas must be 2 or more, got {members}: one has no uncertainty")
    return PerceptronEnsemble(*(derive_seed(seed, member) for member in range(members)), **settings)


class Perceptron:
    """A perceptron with ReLU, trained on the mean absolute error.

    Args:
        *seeds: Seed of the initial weights and of the batches; one.
        layers: Number of hidden layers.
        width: Units of each.
        epochs: Epochs of training.
        batch: Architectures of a batch; the last batch of an epoch may have fewer.
        learning_rate: Of Adam, with betas .9 and .99.
        penalty: Weight of the mean absolute weight of the output layer in the loss.
    """

    def __init__(
        self,
        *seeds: int,
        layers: int = 20,
        width: int = 20,
        epochs: int = 500,
        batch: int = 32,
        learning_rate: float = 1e-3,
        penalty: float = 0.2,
    ) -> None:
        self._seeds, self._layers, self._width = seeds, layers, width
        self._epochs, self._batch, self._learning_rate, self._penalty = epochs, batch, learning_rate, penalty

    def fit(self, rows: NDArray[np.float64], labels: NDArray[np.float64]) -> None:
        """Train on ``n x f`` features and ``n`` labels.

        Raises:
            RuntimeError: The predictions do not depend on the features.
        """
        import torch

        from eznas.predictors.nets.perceptrons import train_perceptrons
        from eznas.predictors.nets.training import Training

        x, y = (torch.tensor(values, dtype=torch.float32) for values in (rows, labels))
        self._networks = [self._build(x.shape[1], seed) for seed in self._seeds]
        training = Training(self._epochs, self._batch, self._learning_rate, cosine=False, betas=(0.9, 0.99))
        train_perceptrons(self._networks, x, y, training, self._seeds, squared=False, penalty=self._penalty)
        differ = np.ptp(labels) > 0 and bool(np.ptp(rows, axis=0).any())
        if differ and not np.ptp(self._outputs(rows).mean(axis=0)):
            raise RuntimeError(
                f"the predictions must differ, got the same value for all {len(rows)} architectures of the fit; give "
                "another seed"
            )

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``n`` predictions."""
        predicted: NDArray[np.float64] = self._outputs(rows)[0]
        return predicted

    def _outputs(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs of all networks, ``m x n``."""
        import torch

        x = torch.tensor(rows, dtype=torch.float32)
        with torch.no_grad():
            outputs = [network(x)[:, 0].numpy() for network in self._networks]
        return np.array(outputs, dtype=np.float64)

    def _build(self, features: int, seed: int) -> nn.Sequential:
        """Return a network with torch's initialisation, drawn from a seed; torch's own state does not change."""
        from torch import nn

        from eznas.predictors.nets.training import seeded_weights

        widths = [features, *[self._width] * self._layers]
        with seeded_weights(seed, "weights"):
            hidden = [
                layer for before, after in itertools.pairwise(widths) for layer in (nn.Linear(before, after), nn.ReLU())
            ]
            return nn.Sequential(*hidden, nn.Linear(widths[-1], 1))


class PerceptronEnsemble(Perceptron):
    """Perceptrons that differ in their seeds; their mean and spread predict. The arguments are those of one."""

    def predict(self, rows: NDArray[np.float64], return_std: bool = False) -> Any:
        """Return the mean of the outputs; with ``return_std`` also their standard deviation."""
        outputs = self._outputs(rows)
        return (outputs.mean(axis=0), outputs.std(axis=0)) if return_std else outputs.mean(axis=0)
