"""Images from the user's files: an archive of arrays, the files of CIFAR, ImageNet16 and SVHN, folders of pictures."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, overload

import numpy as np

from eznas.errors import InputError
from eznas.minibatch.cifar import read_cifar, read_imagenet16
from eznas.minibatch.pool import Pool, pool_of
from eznas.minibatch.svhn import read_svhn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


_SVHN = "train_32x32.mat"
_NAMES = (("images", "labels"), ("x_train", "y_train"))
_PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_FEWEST = 2
"""The smallest number of classes."""

BROKEN = (OSError, ValueError, EOFError, TypeError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile)
"""Errors of numpy on bytes that are no archive; TypeError on a bare array."""


def read_path(path: Path) -> Pool:
    """Return the images at a path.

    - ``FILE.npz`` with ``images`` and ``labels``, or ``x_train`` and ``y_train``: uint8 or floating,
      ``n x h x w x c`` or ``n x c x h x w``;
    - the directory of CIFAR-10 or CIFAR-100 for Python (``data_batch_1`` to ``data_batch_5``, or ``train``);
    - the directory of ImageNet16 (``train_data_batch_1`` to ``train_data_batch_10``), of which the first 120 classes
      are taken, as in NAS-Bench-201;
    - ``train_32x32.mat`` of SVHN, or the directory with it;
    - a folder with a sub-folder of pictures for each of at least two classes.

    Raises:
        InputError: The path is none of these, or a file is damaged; where the images are one level below, or in an
            archive, the message says which path to give.
    """
    try:
        if path.is_dir():
            return _directory(path)
        if path.suffix == ".mat":
            return read_svhn(path)
        if path.suffix == ".npz":
            return _npz(path)
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                top = path.parent / PurePath(next(iter(archive)).name).parts[0]
            raise InputError(f"{path} must be unpacked first (tar -xf {path.name}); then give {top}")
        if zipfile.is_zipfile(path):
            raise InputError(f"{path} must be unpacked first (unzip {path.name}); then give the folder of the images")
    except (OSError, tarfile.TarError, EOFError, zlib.error, StopIteration) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    raise InputError(f"{path} must be an .npz or .mat file or a directory of images")


def _directory(path: Path) -> Pool:
    if (path / _SVHN).is_file():
        return read_svhn(path / _SVHN)
    if small := sorted(path.glob("train_data_batch_*")):
        return read_imagenet16(small, str(path))
    if batches := _cifar(path):
        return read_cifar(batches, str(path))
    classes = _classes(path)
    if len(classes) < _FEWEST:
        raise InputError(_advice(path, classes))
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in classes.values()])
    return Pool(_Pictures([file for files in classes.values() for file in files]), labels, len(classes))


def _cifar(path: Path) -> list[Path]:
    return sorted(path.glob("data_batch_*")) or [file for file in [path / "train"] if file.is_file()]


def _classes(path: Path) -> dict[str, list[Path]]:
    """Return the pictures in each visible sub-folder that has some."""
    folders = (folder for folder in sorted(path.iterdir()) if folder.is_dir() and not folder.name.startswith("."))
    return {folder.name: pictures for folder in folders if (pictures := _pictures(folder))}


def _advice(path: Path, classes: Mapping[str, object]) -> str:
    """Return the message for a folder without two classes: its contents, and the path to give."""
    must = f"{path} must hold a sub-folder of pictures for each class, at least {_FEWEST}, or the batches of CIFAR"
    below = sorted(folder for folder in path.iterdir() if folder.is_dir())
    sources = [
        folder
        for folder in below
        if (folder / _SVHN).is_file()
        or [*folder.glob("train_data_batch_*")]
        or _cifar(folder)
        or len(_classes(folder)) >= _FEWEST
    ]
    if sources:
        return f"{must}; its images are one level below: give {' or '.join(map(str, sources[:_FEWEST]))}"
    if classes:
        return f"{must}; it has one class, {next(iter(classes))}: sort the pictures into a folder for each class"
    count = len(_pictures(path))
    holds = f"{count} pictures without classes: sort them into a folder for each class" if count else "none of these"
    return f"{must}; it holds {holds}"


def _npz(path: Path) -> Pool:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for images, labels in _NAMES:
                if images in archive and labels in archive:
                    return pool_of(archive[images], archive[labels], str(path))
            names = ", ".join(archive.files)
    except BROKEN as error:
        raise InputError(f"{path} must be a whole .npz file without objects, but reading failed: {error}") from error
    raise InputError(f"{path} must hold images and labels, or x_train and y_train; it holds: {names}")


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in _PICTURES and not file.name.startswith(".")
    )


class _Pictures(Sequence["NDArray[np.uint8]"]):
    """Pictures as ``3 x h x w`` arrays, each read when it is used."""

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
