"""A minibatch: normalised images, labels, and noise of the same shape."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from eznas.errors import InputError


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Images and labels.

    Args:
        images: ``b x c x h x w`` float32, normalised.
        labels: ``b`` int64, from 0.
        classes: Number of classes.
        source: The images' name or path, for messages.
        digest: SHA-256 over the bytes of images and labels, computed where it is empty. It does not cover their shape,
            ``classes``, ``source`` and ``seed``.
        seed: Seed of ``noise`` and ``perturbed``.
    """

    images: Tensor
    labels: Tensor
    classes: int
    source: str
    digest: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self.images, self.labels))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.images.shape[1:]))
        return f"<Minibatch {len(self)} images {shape} of {self.source}, {self.classes} classes, {self.images.device}>"

    @property
    def noise(self) -> Tensor:
        """Standard normal images, ``b x c x h x w``, from the seed."""
        return self._normal(self.seed)

    @property
    def perturbed(self) -> Tensor:
        """The images plus a tenth of standard normal ones, ``b x c x h x w``, from the next seed."""
        return self.images + 0.1 * self._normal(self.seed + 1)

    def take(self, count: int) -> Minibatch:
        """Return the first ``count`` images, or all where ``count`` is 0 as in a ``Fidelity``.

        Raises:
            InputError: The minibatch has fewer images.
        """
        if not 0 <= count <= len(self):
            raise InputError(f"the minibatch has {len(self)} images, cannot take {count}; load a larger one")
        if count in (0, len(self)):
            return self
        return replace(self, images=self.images[:count], labels=self.labels[:count], digest="")

    def resized(self, pixels: int) -> Minibatch:
        """Return the images resized to ``pixels x pixels``, as ``resize`` does.

        Raises:
            InputError: ``pixels`` is less than 1.
        """
        images = resize(self.images, pixels)
        return self if images is self.images else replace(self, images=images, digest="")

    def to(self, device: torch.device | str) -> Minibatch:
        """Return the minibatch on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def _normal(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)  # on the CPU: equal on every device
        with torch.inference_mode(mode=False):  # tensors made in inference mode forbid gradients
            return torch.randn(self.images.shape, generator=generator).to(self.images.device)


def resize(images: Tensor, pixels: int) -> Tensor:
    """Resize ``b x c x h x w`` images to ``b x c x pixels x pixels`` by bilinear interpolation.

    Shrinking averages the pixels under a new one (antialiasing). Images of that size are returned unchanged.

    Raises:
        InputError: ``pixels`` is less than 1.
    """
    if pixels < 1:
        raise InputError(f"pixels must be at least 1, got {pixels}", parameters=("pixels",))
    size = tuple(images.shape[-2:])
    if size == (pixels, pixels):
        return images
    shrinks = pixels < max(size)
    return functional.interpolate(images, (pixels, pixels), mode="bilinear", antialias=shrinks)


def _digest(images: Tensor, labels: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in (images, labels):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
