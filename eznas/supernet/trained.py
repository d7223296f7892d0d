"""A trained supernet: the accuracy of an architecture with inherited weights."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from eznas.capture.state import full_precision
from eznas.errors import InputError
from eznas.spaces.nasbench201 import to_operations
from eznas.supernet.checkpoint import NAME, read_checkpoint
from eznas.supernet.config import SupernetConfig
from eznas.supernet.images import load_images
from eznas.supernet.training import make_supernet

if TYPE_CHECKING:
    from eznas.minibatch import Minibatch
    from eznas.networks.nasbench201_supernet import Supernet

_BATCH = 256
"""Images of an evaluation step, whose statistics the batch normalisations use."""


@torch.no_grad()
def inherited(network: Supernet, architecture: str, images: Minibatch) -> tuple[float, float]:
    """Return the accuracy in percent and the mean cross entropy of an architecture with inherited weights.

    Raises:
        InputError: NAS-Bench-201 has no such architecture.
    """
    network.eval()
    network.choose(to_operations(architecture))
    parts = max(1, round(len(images) / _BATCH))
    pairs = zip(images.images.tensor_split(parts), images.labels.tensor_split(parts), strict=True)
    right, losses = 0, 0.0
    for batch, labels in pairs:
        with full_precision(batch.device):
            logits = network(batch)
        right += int((logits.argmax(1) == labels).sum())
        losses += float(functional.cross_entropy(logits, labels, reduction="sum"))
    return 100 * right / len(images), losses / len(images)


class TrainedSupernet:
    """A supernet with its validation images, read from a file.

    Args:
        file: ``supernet.npz`` of a run directory.

    Attributes:
        config: The options of the training.
        digest: SHA-256 of the file.

    Raises:
        InputError: The file is no supernet, its training is not finished, or its images are missing or have changed.
    """

    def __init__(self, file: Path) -> None:
        state, weights, _ = read_checkpoint(file)
        self.config = SupernetConfig(**state.config)
        if state.epoch < self.config.epochs:
            raise InputError(
                f"{file} must be a supernet whose training is finished, it has {state.epoch} of {self.config.epochs} "
                "epochs; resume it",
                parameters=("supernet",),
            )
        self.network = make_supernet(self.config.cells, self.config.channels, state.classes, self.config.seed)
        self.network.load_state_dict(weights)
        _, self.images = load_images(self.config, "cpu")
        if self.images.digest != state.digests["validation"]:
            raise InputError(
                f"{file} must be evaluated with the validation images of its training; {self.config.images} has changed"
            )
        self.digest = hashlib.sha256(file.read_bytes()).hexdigest()

    def accuracy(self, architecture: str) -> float:
        """Return the validation accuracy in percent of an architecture with inherited weights.

        Raises:
            InputError: NAS-Bench-201 has no such architecture.
        """
        return inherited(self.network, architecture, self.images)[0]


def read_supernet(path: Path | str) -> TrainedSupernet:
    """Return the supernet of a file or run directory; an unchanged file is read once in a process.

    Raises:
        InputError: See ``TrainedSupernet``.
    """
    file = Path(path)
    file = file / NAME if file.is_dir() else file
    return _read(file.absolute(), file.stat().st_mtime_ns if file.exists() else 0)


@lru_cache(maxsize=2)
def _read(file: Path, changed: int) -> TrainedSupernet:
    del changed
    return TrainedSupernet(file)
