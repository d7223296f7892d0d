"""CIFAR-10 and CIFAR-100 in the form for Python: pickled batches, read by an allow-list.

References:
    [CIFAR] Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from eznas.benchmarks.convert.unpickle import Stated, unpickle
from eznas.errors import InputError
from eznas.minibatch.pool import Pool, pool_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_cifar"]

_SHAPE = (3, 32, 32)


_NUMPY = {
    ("numpy.core.multiarray", "_reconstruct"): Stated,
    ("numpy._core.multiarray", "_reconstruct"): Stated,
    ("numpy", "ndarray"): Stated,
    ("numpy", "dtype"): Stated,
}


def read_cifar(files: Sequence[Path], source: str) -> Pool:
    """Return the images of all batches together, with the fine labels of CIFAR-100.

    Args:
        files: The batches.
        source: What they are together, for messages.

    Raises:
        InputError: A file is not a batch.
    """
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for file in files:
        batch = unpickle(file.read_bytes(), _NUMPY, str(file), encoding="bytes")
        if not isinstance(batch, dict):
            raise InputError(f"{file} must hold a dictionary, got {type(batch).__name__}")
        images.append(_images(batch.get(b"data"), file))
        classes = batch.get(b"fine_labels", batch.get(b"labels"))
        if not isinstance(classes, list) or not all(isinstance(label, int) for label in classes):
            raise InputError(f"{file} must hold a list of integers under 'labels' or 'fine_labels'")
        labels += classes
    return pool_of(np.concatenate(images), np.array(labels), source)


def _images(pickled: object, file: Path) -> NDArray[np.uint8]:
    """Return the array of a pickle: ``n x 3 x 32 x 32``."""
    match pickled:
        case Stated(state=(_, (int(count), int(size)), Stated(args=("u1" | b"u1", *_)), order, bytes(pixels))):
            if size == math.prod(_SHAPE) and len(pixels) == count * size:
                rows = np.frombuffer(pixels, np.uint8).reshape((count, size), order="F" if order else "C")
                return rows.reshape(count, *_SHAPE)
    raise InputError(f"{file} must hold images under 'data', as an array of n x {math.prod(_SHAPE)} uint8")
