"""Inputs of any network from an archive of named arrays."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eznas.errors import InputError
from eznas.minibatch.files import BROKEN
from eznas.minibatch.labels import number_of_classes
from eznas.minibatch.types import LABELS, Loss, Minibatch
from eznas.seeds import numpy_rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNNAMED = re.compile(r"arr_\d+")


def holds_inputs(path: Path) -> bool:
    """Return whether a file is an archive with labels and other arrays, but without the arrays of images."""
    if path.suffix != ".npz" or not path.is_file() or not zipfile.is_zipfile(path):
        return False
    names = set(_names(path))
    images = {"images", "x_train"}.intersection(names)
    return not images and bool(names.intersection(LABELS)) and bool(names.difference(LABELS))


def load_inputs(path: Path | str, batch_size: int = 0, *, seed: int = 0, loss: Loss | None = None) -> Minibatch:
    """Return samples from an ``.npz`` file with an array for each input of a network.

    One array is passed to the network as it is; several are passed by their names, or by their positions where
    ``np.savez`` numbered them (``arr_0``, ``arr_1``). An array called ``labels``, ``label``, ``targets`` or ``target``
    holds the labels. Integers become int64, such as tokens; numbers of floating point become float32, as they are.

    Args:
        path: The file. It holds no objects.
        batch_size: Number of samples, drawn without replacement; 0, or more than there are, for all in their order.
        seed: Seed of the draw, and of the minibatch's noise.
        loss: See ``Minibatch``.

    Raises:
        InputError: The file cannot be read, or holds no inputs.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except BROKEN as error:
        raise InputError(f"{path} must be a whole .npz file without objects, but reading failed: {error}") from error
    tensors = {name: _tensor(name, array, path) for name, array in arrays.items()}
    name = next((name for name in LABELS if name in tensors), "")
    labels = tensors.pop(name, torch.empty(0, dtype=torch.int64))
    samples = next((len(tensor) for tensor in tensors.values() if tensor.dim()), 0)
    if not samples:
        raise InputError(f"{path} must hold an array of a network's inputs with a row for each sample; it holds none")
    chosen = torch.arange(samples)
    if 0 < batch_size < samples:
        chosen = torch.from_numpy(numpy_rng(seed, "minibatch", "inputs").permutation(samples)[:batch_size])
    drawn = {name: tensor[chosen] if tensor.shape[:1] == (samples,) else tensor for name, tensor in tensors.items()}
    inputs: Any = drawn
    if all(_UNNAMED.fullmatch(name) for name in drawn):
        inputs = tuple(drawn.values())
    if len(drawn) == 1:
        (inputs,) = drawn.values()
    if not labels.dim():
        raise InputError(f"the labels of {path} must have {samples} rows, one a sample, got a single number")
    if len(labels) not in (0, samples):
        raise InputError(f"the labels of {path} must have {samples} rows, one a sample, got {len(labels)}")
    labels = labels[chosen] if len(labels) else labels
    classes = number_of_classes(labels)
    return Minibatch(inputs, labels, classes, str(path), seed=seed, loss=loss)


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except BROKEN:
        return []


def _tensor(name: str, array: NDArray[np.generic], path: Path) -> torch.Tensor:
    if array.dtype == np.bool_:
        return torch.from_numpy(array)
    if np.issubdtype(array.dtype, np.integer):
        return torch.from_numpy(array.astype(np.int64))
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"the array {name} of {path} must hold integers, booleans or numbers of floating point")
    if "mask" not in name and not np.isfinite(array).all():
        raise InputError(f"the array {name} of {path} must be finite, got NaN or infinite values")
    return torch.from_numpy(array.astype(np.float32))
