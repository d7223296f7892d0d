"""The training of all networks that predict accuracies, and the seeds of their initial weights."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from eznas.seeds import derive_seed, torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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


def descend(optimiser: torch.optim.Optimizer, losses: Iterable[torch.Tensor], clip: float = 0.0) -> None:
    """Take one step down the gradient of each loss.

    Args:
        optimiser: The optimiser of the parameters.
        losses: Computes each loss when the step before it is done, such as a generator.
        clip: Largest norm of the gradient; 0 for any.
    """
    for loss in losses:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip:
            nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], clip)
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
    optimiser = torch.optim.Adam(
        network.parameters(), training.learning_rate, training.betas, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(training.epochs, 1))
    generator = torch_generator(seed, "batches")
    network.train()
    for _ in range(training.epochs):
        batches = torch.split(torch.randperm(count, generator=generator), training.batch)
        descend(optimiser, map(loss, batches), training.clip)
        if training.cosine:
            schedule.step()
    network.eval()


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
