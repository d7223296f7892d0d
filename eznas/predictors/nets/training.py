"""The training of all networks that predict accuracies."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from eznas.seeds import derive_seed, torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    cosine: bool = True
    clip: float = 0.0


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
    optimiser = torch.optim.Adam(network.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(training.epochs, 1))
    generator = torch_generator(seed, "batches")
    network.train()
    for _ in range(training.epochs):
        for places in torch.split(torch.randperm(count, generator=generator), training.batch):
            optimiser.zero_grad()
            loss(places).backward()  # type: ignore[no-untyped-call]
            if training.clip:
                nn.utils.clip_grad_norm_(network.parameters(), training.clip)
            optimiser.step()
        if training.cosine:
            schedule.step()
    network.eval()


@contextlib.contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch's draws of initial weights and dropout, and compute on one thread; put both back afterwards.

    The number of threads decides the order in which torch adds numbers, and with it the last digits.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "network"))
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
