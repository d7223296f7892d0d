"""Estimation codes of Siamese-NAS: the losses of a short training on a small set of images.

References:
    [Siamese] Zhang, Hsieh, Lee, Fan. Siamese-NAS: Using Trained Samples Efficiently to Find Lightweight Neural
        Architecture by Prior Knowledge. 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from eznas.errors import InputError
from eznas.predictors.nets.adam import Adam
from eznas.predictors.nets.training import descend, reproducible
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from eznas.scoring import Condition

_BETA, _MIXED = 1.5, 0.5


@dataclass(frozen=True)
class CodeTraining:
    """The short training; the defaults are the published ones.

    Args:
        epochs: Epochs, each of as many steps as whole batches are in the images. A code has a number for each.
        batch: Images of a batch, drawn with replacement.
        learning_rate: Of Adam.
        smoothing: Of the labels.
    """

    epochs: int = 3
    batch: int = 16
    learning_rate: float = 1e-3
    smoothing: float = 0.01


_DEFAULT = CodeTraining()


def estimation_code(
    network: nn.Module, images: Tensor, labels: Tensor, seed: int = 0, training: CodeTraining = _DEFAULT
) -> list[float]:
    """Train a network in place, and return the mean loss of each epoch.

    With probability 1/2, an image is mixed with another: ``m x + (1 - m) y`` with ``m`` of Beta(1.5, 1.5), and the loss
    is ``m`` times the cross-entropy of its label plus ``1 - m`` times that of the other. The
    released code also flips, crops and shifts images; this function does not.

    Args:
        network: Maps ``b x 3 x h x w`` images to logits.
        images: ``n x 3 x h x w``.
        labels: ``n`` classes.
        seed: Seed of the batches and the mixing, which are the same for every network.
        training: The hyper-parameters.

    Raises:
        InputError: There are fewer images than a batch has.
    """
    steps = len(images) // training.batch
    if not steps:
        raise InputError(
            f"an estimation code needs {training.batch} images or more, got {len(images)}", parameters=("images",)
        )
    rng = numpy_rng(seed, "estimation code")
    optimiser = Adam(network.parameters(), training.learning_rate, epsilon=1e-7)
    losses: list[float] = []

    def loss() -> torch.Tensor:
        first, second = torch.from_numpy(rng.integers(len(images), size=(2, training.batch)))
        kept = rng.beta(_BETA, _BETA, training.batch)
        kept[rng.random(training.batch) >= _MIXED] = 1
        share = torch.tensor(kept, dtype=images.dtype, device=images.device)
        weight = share[:, None, None, None]
        logits = network(weight * images[first] + (1 - weight) * images[second])
        own, other = (
            functional.cross_entropy(logits, labels[chosen], reduction="none", label_smoothing=training.smoothing)
            for chosen in (first, second)
        )
        mixed = (share * own + (1 - share) * other).mean()
        losses.append(mixed.item())
        return mixed

    network.train()
    with reproducible(seed):
        descend(optimiser, (loss() for _ in range(training.epochs * steps)))
    return [sum(losses[start : start + steps]) / steps for start in range(0, len(losses), steps)]


def estimation_codes(
    condition: Condition, architectures: Sequence[str], training: CodeTraining = _DEFAULT
) -> NDArray[np.float64]:
    """Return the codes of ``n`` architectures, ``n x epochs``, as ``train_loss`` of learning curves.

    Args:
        condition: Space, fidelity and seed of the networks, and the minibatch, all of whose images are the training
            set.
        architectures: The architectures.
        training: The hyper-parameters.

    Returns:
        The codes; NaN in the row of a network whose loss is not finite, or for whose training the device has too little
            memory.

    Raises:
        InputError: The space has no such architecture, or there are too few images.
    """
    codes = np.full((len(architectures), training.epochs), np.nan)
    minibatch = condition.minibatch
    for row, architecture in zip(codes, architectures, strict=True):
        network = condition.network(architecture)
        try:
            code = estimation_code(network, minibatch.images, minibatch.labels, condition.seed, training)
        except torch.OutOfMemoryError:
            continue
        if np.isfinite(code).all():
            row[:] = code
    return codes
