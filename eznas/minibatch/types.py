"""A minibatch: normalised images, labels, and noise of the same shape."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from eznas.errors import InputError


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Images and labels.

    Args:
        images: ``b x c x h x w`` float32, normalised.
        labels: ``b`` integers, from 0, kept as int64; rows of zeros and a single one become the places of the ones.
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
        object.__setattr__(self, "labels", _class_labels(self.labels, len(self.images)))
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self.images, self.labels))

    @classmethod
    def of(cls, data: Any) -> Minibatch:
        """Return a minibatch as it is, or make one of a pair of images and labels or of a loader's first batch.

        Raises:
            InputError: It is none of these.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, (tuple, list)) and isinstance(data, Iterable) and not isinstance(data, (str, Tensor)):
            data = next(iter(data), None)
        if isinstance(data, (tuple, list)) and len(data) > 1 and all(isinstance(part, Tensor) for part in data[:2]):
            images, given = data[:2]
            labels = _class_labels(given, len(images) if images.dim() else 0)
            largest = int(labels.max()) if len(labels) else -1
            return cls(images, labels, given.shape[1] if given.dim() > 1 else largest + 1, "caller")
        raise InputError(
            "minibatch must be a Minibatch, a pair of images and labels, or a loader of such pairs; got a "
            f"{type(data).__name__}; eznas.load_minibatch makes one of files",
            parameters=("minibatch",),
        )

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


def _class_labels(labels: Tensor, images: int) -> Tensor:
    """Return labels as int64 classes.

    Raises:
        InputError: They are no classes.
    """
    if labels.dim() == 2 and len(labels) == images and labels.shape[1] > 1:  # noqa: PLR2004
        ones = labels == 1
        if bool((ones | (labels == 0)).all()) and bool((ones.sum(1) == 1).all()):
            return labels.argmax(1)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
        raise InputError(
            f"labels must be one class an image, as integers, or rows with a single one; got {labels.dtype} of shape "
            f"{tuple(labels.shape)}; targets of a regression have no classes",
            parameters=("labels",),
        )
    if labels.shape != (images,):
        raise InputError(
            f"labels must be one class an image, of shape ({images},) for {images} images; got shape "
            f"{tuple(labels.shape)}",
            parameters=("labels",),
        )
    if images and not labels.is_meta and int(labels.min()) < 0:
        raise InputError(f"labels must be classes from 0; the least is {int(labels.min())}", parameters=("labels",))
    return labels.long()


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
