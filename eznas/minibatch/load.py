"""Loading a minibatch: choose images by seed, normalise them, resize them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from eznas.errors import InputError, nearest
from eznas.minibatch.pool import Pool
from eznas.minibatch.types import Minibatch, resize
from eznas.seeds import numpy_rng, torch_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


SOURCES = {
    "digits": "the 1,797 handwritten digits of scikit-learn, 8 x 8 grey, ten classes",
    "noise": "standard normal images with random labels of ten classes",
}
"""The sources without a file."""

_RANDOM_CLASSES = 10
_CHUNK = 1000


def load_minibatch(source: str, batch_size: int, *, pixels: int = 32, seed: int = 0) -> Minibatch:
    """Return ``batch_size`` images from a source, ``b x 3 x pixels x pixels``.

    Images are drawn uniformly without replacement. A smaller minibatch is the beginning of a larger one with the same
    seed. Grey images are repeated to three channels. Each channel is normalised to mean 0 and standard deviation 1 over
    all images of the source. If the source is a folder of pictures, only the drawn images count for this. The images
    are then resized.

    An ``.npz`` file with labels and other arrays than images holds the inputs of a network; see ``load_inputs``.

    Args:
        source: One of ``SOURCES``, or a path as ``eznas.minibatch.files.read_path`` describes it.
        batch_size: Number of images.
        pixels: Height and width of the images; not read for other inputs.
        seed: Seed of the choice of images, of random labels, and of the minibatch's noise.

    Raises:
        InputError: There is no such source, it cannot be read, or it has too few images.
    """
    for name, value in (("batch_size", batch_size), ("pixels", pixels)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}", parameters=(name,))
    if source == "noise":
        generator = torch_generator(seed, "minibatch", "noise")
        images = torch.randn((batch_size, 3, pixels, pixels), generator=generator)
        generator = torch_generator(seed, "minibatch", "labels")
        labels = torch.randint(_RANDOM_CLASSES, (batch_size,), generator=generator)
        return Minibatch(images, labels, _RANDOM_CLASSES, source, seed=seed)
    if source.endswith(".npz"):
        from eznas.minibatch.inputs import holds_inputs, load_inputs

        if holds_inputs(Path(source)):
            return load_inputs(source, batch_size, seed=seed)
    pool = _pool(source)
    if len(pool.images) < batch_size:
        raise InputError(
            f"batch_size must be at most {len(pool.images)}, the number of images of {source}, got {batch_size}",
            parameters=("batch_size",),
        )
    chosen = numpy_rng(seed, "minibatch", "images").permutation(len(pool.images))[:batch_size]
    images = _normalised(pool.images, chosen, pixels, source)
    labels = torch.from_numpy(pool.labels[chosen])
    return Minibatch(images, labels, pool.classes, source, seed=seed)


def _pool(source: str) -> Pool:
    if source == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Pool(digits.images[:, None], digits.target.astype(np.int64), 10)
    path = Path(source)
    if source and path.exists():
        from eznas.minibatch.files import read_path

        return read_path(path)
    guess = None if os.sep in source else nearest(source, SOURCES)
    hint = f"did you mean {guess!r}?" if guess else f"known names: {', '.join(SOURCES)}"
    raise InputError(f"the images {source!r} must be a known name or a path that exists; {hint}")


def _normalised(
    images: NDArray[np.generic] | Sequence[NDArray[np.generic]], chosen: NDArray[np.int64], pixels: int, source: str
) -> Tensor:
    if isinstance(images, np.ndarray):
        mean, deviation = _moments(images)
        drawn = resize(_float(images[chosen]), pixels)
    else:
        drawn = torch.cat([resize(_float(images[int(index)])[None], pixels) for index in chosen])
        mean, deviation = _moments(drawn.numpy())
    if not deviation.all():
        raise InputError(f"the images of {source} must differ in every channel; all pixels of a channel are equal")
    normalised = (drawn - torch.from_numpy(mean)[:, None, None]) / torch.from_numpy(deviation)[:, None, None]
    return normalised.float().expand(-1, 3, -1, -1).contiguous()


def _moments(images: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each channel of ``n x c x h x w`` images."""
    mean = images.mean((0, 2, 3), dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(images), _CHUNK):  # in float64, in which all images at once might not fit into memory
        deviation = images[start : start + _CHUNK] - mean[:, None, None]
        squares += (deviation**2).sum((0, 2, 3))
    return mean, np.sqrt(squares * len(mean) / images.size)


def _float(images: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
