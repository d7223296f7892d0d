"""CIFAR-10, CIFAR-100 and ImageNet16-120 in the form for Python: pickled batches, read by an allow-list.

References:
    [CIFAR] Krizhevsky. Learning Multiple Layers of Features from Tiny Images. 2009.
    [ImageNet16] Chrabaszcz, Loshchilov, Hutter. A Downsampled Variant of ImageNet. arXiv:1707.08819, 2017.
    [NB201] Dong, Yang. NAS-Bench-201. ICLR 2020; it takes the first 120 classes of [ImageNet16].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.minibatch.pool import Pool, pool_of
from eznas.unpickle import ARRAYS, Stated, unpickle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


_FIRST_CLASSES = 120


def read_cifar(files: Sequence[Path], source: str) -> Pool:
    """Return the images of all batches together, with the fine labels of CIFAR-100.

    Args:
        files: The batches.
        source: The directory, for messages.

    Raises:
        InputError: A file is not a batch.
    """
    batches = [_read(file, 32) for file in files]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return pool_of(images, labels, source)


def read_imagenet16(files: Sequence[Path], source: str) -> Pool:
    """Return the images of the first 120 classes, with labels from 0; the files count classes from 1.

    Raises:
        InputError: A file is not a batch, or none has an image of these classes.
    """
    images, labels = [], []
    for file in files:
        batch, classes = _read(file, 16)
        if len(batch) != len(classes):
            raise InputError(f"{file} must hold as many labels as images, got {len(classes)} and {len(batch)}")
        chosen = (classes >= 1) & (classes <= _FIRST_CLASSES)
        images.append(batch[chosen])
        labels.append(classes[chosen] - 1)
    if not sum(map(len, labels)):
        raise InputError(f"{source} must have images of the classes 1 to {_FIRST_CLASSES}, it has none")
    return pool_of(np.concatenate(images), np.concatenate(labels), source)


def _read(file: Path, pixels: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of a batch, ``n x 3 x pixels x pixels``, and its labels."""
    batch = unpickle(file.read_bytes(), ARRAYS, str(file), encoding="bytes")
    if not isinstance(batch, dict):
        raise InputError(f"{file} must hold a dictionary, got {type(batch).__name__}")
    named = {key.decode(errors="replace") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    images = _images(named.get("data"), file, pixels)
    labels = named.get("fine_labels", named.get("labels"))
    if not isinstance(labels, list) or not all(isinstance(label, int) and abs(label) < 1 << 31 for label in labels):
        raise InputError(f"{file} must hold a list of integers under 'labels' or 'fine_labels'")
    return images, np.array(labels, dtype=np.int64)


def _images(pickled: object, file: Path, pixels: int) -> NDArray[np.uint8]:
    expected = 3 * pixels**2
    match pickled:
        case Stated(state=(_, (int(count), int(size)), Stated(args=("u1" | b"u1", *_)), order, bytes(data))):
            if size == expected and len(data) == count * size:
                rows = np.frombuffer(data, np.uint8).reshape((count, size), order="F" if order else "C")
                return rows.reshape(count, 3, pixels, pixels)
    raise InputError(f"{file} must hold images under 'data', as an array of n x {expected} uint8")
