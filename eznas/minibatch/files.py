"""Images from the user's files: an archive, the directories of CIFAR, ImageNet16 and SVHN, a folder of pictures."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from eznas.errors import InputError
from eznas.minibatch.cifar import read_cifar, read_imagenet16
from eznas.minibatch.pool import Pool, pool_of
from eznas.minibatch.svhn import read_svhn

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_path"]

_SVHN = "train_32x32.mat"
_NAMES = (("images", "labels"), ("x_train", "y_train"))
_PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_BROKEN = (  # what numpy raises on bytes that are no archive; TypeError on one bare array
    OSError,
    ValueError,
    EOFError,
    TypeError,
    RuntimeError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)


def read_path(path: Path) -> Pool:
    """Return the images at a path.

    - ``FILE.npz`` with ``images`` and ``labels``, or ``x_train`` and ``y_train``: uint8 or floating,
      ``n x h x w x c`` or ``n x c x h x w``;
    - the directory of CIFAR-10 or CIFAR-100 for Python (``data_batch_1`` to ``data_batch_5``, or ``train``);
    - the directory of ImageNet16 (``train_data_batch_1`` to ``train_data_batch_10``), of which the first 120 classes
      are taken, as in NAS-Bench-201;
    - ``train_32x32.mat`` of SVHN, or the directory with it;
    - a folder of pictures: either a sub-folder for each class, or no sub-folders and no labels.

    Raises:
        InputError: There is nothing of that kind, or it is damaged.
    """
    if not path.is_dir():
        return read_svhn(path) if path.suffix == ".mat" else _npz(path)
    try:
        if (path / _SVHN).is_file():
            return read_svhn(path / _SVHN)
        if small := sorted(path.glob("train_data_batch_*")):
            return read_imagenet16(small, str(path))
        batches = sorted(path.glob("data_batch_*")) or [file for file in [path / "train"] if file.is_file()]
        return read_cifar(batches, str(path)) if batches else _folder(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _npz(path: Path) -> Pool:
    if path.suffix != ".npz":
        raise InputError(f"{path} must be an .npz or .mat file or a directory of images")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for images, labels in _NAMES:
                if images in archive and labels in archive:
                    return pool_of(archive[images], archive[labels], str(path))
            names = ", ".join(archive.files)
    except _BROKEN as error:
        raise InputError(f"{path} must be a whole .npz file without objects, but reading failed: {error}") from error
    raise InputError(f"{path} must hold images and labels, or x_train and y_train; it holds: {names}")


def _folder(path: Path) -> Pool:
    folders = [_pictures(folder) for folder in sorted(path.iterdir()) if folder.is_dir()]
    classes = [files for files in folders if files]
    if classes:
        labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in classes])
        return Pool(_Pictures([file for files in classes for file in files]), labels, len(classes))
    flat = _pictures(path)
    if not flat:
        raise InputError(
            f"{path} must hold pictures ({', '.join(sorted(_PICTURES))}), a folder of them for each class, "
            "or the batches of CIFAR; it holds none"
        )
    return Pool(_Pictures(flat), None, 0)


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _PICTURES)


class _Pictures(Sequence["NDArray[np.uint8]"]):
    """Pictures as ``3 x h x w`` arrays, each read when it is asked for."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Sequence[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return _Pictures(self.files[index])
        from PIL import Image

        try:
            with Image.open(self.files[index]) as picture:
                return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{self.files[index]} must be a picture, but reading failed: {error}") from error
