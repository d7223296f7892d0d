"""The images of a supernet: training and validation images of one source, and random shifts and mirrors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from eznas.minibatch import load_minibatch

if TYPE_CHECKING:
    from eznas.minibatch import Minibatch
    from eznas.supernet.config import SupernetConfig

_SHIFT = 8
"""The largest shift is the height divided by this number: 4 of 32 pixels."""


def load_images(config: SupernetConfig, device: str) -> tuple[Minibatch, Minibatch]:
    """Return the training and the validation images, drawn without replacement.

    Raises:
        InputError: The source cannot be read, or has too few images.
    """
    count = config.train_images + config.validation_images
    whole = load_minibatch(config.images, count, pixels=config.pixels, seed=config.seed)
    first, second = (
        replace(whole, images=whole.images[part], labels=whole.labels[part], digest="")
        for part in (slice(config.train_images), slice(config.train_images, None))
    )
    return first.to(device), second.to(device)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the ``b x c x h x w`` images and shift each by up to an eighth, with zeros at the border."""
    count, _, height, width = images.shape
    mirrored = torch.rand(count, generator=generator) < 0.5  # noqa: PLR2004 - a half
    most = height // _SHIFT
    shifts = torch.randint(2 * most + 1, (2, count), generator=generator).to(images.device)
    images = torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)
    windows = functional.pad(images, (most,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, shifts[0], shifts[1]].contiguous()
