"""All images of a source, from which a minibatch is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pool:
    """Images to choose from.

    Args:
        images: Of shape ``c x h x w``, ``c`` being 1 or 3; one array ``n x c x h x w``, or read one by one.
        labels: ``n`` int64, from 0.
        classes: Number of classes.
    """

    images: NDArray[np.generic] | Sequence[NDArray[np.generic]]
    labels: NDArray[np.int64]
    classes: int

    def __repr__(self) -> str:
        return f"<Pool {len(self.images):,} images, {self.classes} classes>"


def pool_of(images: NDArray[np.generic], labels: NDArray[np.generic], source: str) -> Pool:
    """Return the pool of a file's arrays.

    Args:
        images: uint8 or floating, ``n x h x w``, ``n x h x w x c`` or ``n x c x h x w``.
        labels: ``n`` or ``n x 1`` integers, at least 0.
        source: The file, for messages.

    Raises:
        InputError: The arrays have other shapes or types, or non-finite values.
    """
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise InputError(f"the images of {source} must be uint8 or floating, got {images.dtype}")
    planes = _planes(images)
    if planes is None or not planes.size:
        raise InputError(
            f"the images of {source} must have shape n x h x w x c or n x c x h x w with 1 or 3 channels, "
            f"got {images.shape}"
        )
    if planes.dtype != np.uint8 and not np.isfinite(planes).all():
        raise InputError(f"the images of {source} must be finite, got NaN or infinite values")
    if labels.shape == (len(planes), 1):
        labels = labels[:, 0]
    if labels.shape != (len(planes),) or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"the labels of {source} must be {len(planes)} integers, one an image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0:
        raise InputError(f"the labels of {source} must be at least 0, got {labels.min()}")
    return Pool(planes, labels.astype(np.int64), int(labels.max()) + 1)


def _planes(images: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Return the images as ``n x c x h x w``, or None for other shapes."""
    match images.shape:
        case (_, _, _):
            return images[:, None]
        case (_, _, _, 1 | 3):
            return images.transpose(0, 3, 1, 2)
        case (_, 1 | 3, _, _):
            return images
    return None
