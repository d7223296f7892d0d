"""The training of all networks that predict accuracies, and the seeds of their initial weights."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from eznas.predictors.nets.adam import Adam
from eznas.seeds import derive_seed, torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Training:
    """How a network is trained, with Adam.

    Args:
        epochs: Epochs.
        batch: Architectures of a batch; the last batch of an epoch may have fewer.
        learning_rate: The learning rate of the first epoch.
        weight_decay: Weight of the L2 penalty.
        cosine: Whether the learning rate falls to 0 along half a cosine, instead of staying as it is.
        clip: Largest norm of the gradient; 0 for any.
        betas: Decay of Adam's means of gradients and of their squares.
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    cosine: bool = True
    clip: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)


class Optimiser(Protocol):
    """Moves tensors along their gradients, as ``Adam`` does."""

    @property
    def tensors(self) -> Sequence[torch.Tensor]:
        """The tensors."""

    def zero_grad(self) -> None:
        """Set all gradients to 0."""

    def step(self) -> None:
        """Take one step."""


def descend(optimiser: Optimiser, losses: Iterable[torch.Tensor], clip: float = 0.0) -> None:
    """Take one step down the gradient of each loss.

    Args:
        optimiser: Moves the parameters.
        losses: Computes each loss when the step before it is done, such as a generator.
        clip: Largest norm of the gradient; 0 for any.
    """
    for loss in losses:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip:
            nn.utils.clip_grad_norm_(optimiser.tensors, clip)
        optimiser.step()


def train(
    network: nn.Module, loss: Callable[[torch.Tensor], torch.Tensor], count: int, training: Training, seed: int
) -> None:
    """Train a network in place, and leave it in evaluation mode.

    Args:
        network: The network.
        loss: Returns the loss of a batch from the places of its architectures.
        count: Number of architectures.
        training: The hyper-parameters.
        seed: Seed of the order of the architectures.
    """
    optimiser = Adam(network.parameters(), training.learning_rate, training.betas, weight_decay=training.weight_decay)
    generator = torch_generator(seed, "batches")
    network.train()
    for epoch in range(training.epochs):
        batches = torch.split(torch.randperm(count, generator=generator), training.batch)
        descend(optimiser, map(loss, batches), training.clip)
        if training.cosine:
            optimiser.learning_rate *= cosine_factor(epoch, training.epochs)
    network.eval()


def cosine_factor(epoch: int, epochs: int) -> float:
    """Return the learning rate after an epoch, counted from 0, as a share of that in it: along half a cosine to 0."""
    if epoch + 1 >= epochs:
        return 0.0
    return (1 + math.cos(math.pi * (epoch + 1) / epochs)) / (1 + math.cos(math.pi * epoch / epochs))


@contextlib.contextmanager
def seeded_weights(seed: int, *stream: str) -> Iterator[None]:
    """Seed torch's own draws, such as those of initial weights; put its state back afterwards.

    Args:
        seed: The seed.
        *stream: Names the stream of draws.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, *stream))
        yield


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch's draws of initial weights and dropout, and compute on one thread; put both back afterwards.

    The number of threads decides the order in which torch adds numbers, and with it the last digits.
    """
    threads = torch.get_num_threads()
    with seeded_weights(seed, "network"):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
