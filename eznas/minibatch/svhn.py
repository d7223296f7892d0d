"""SVHN's cropped digits in MATLAB's form: ``train_32x32.mat`` and the like.

References:
    [SVHN] Netzer, Wang, Coates, Bissacco, Wu, Ng. Reading Digits in Natural Images with Unsupervised Feature Learning.
        NIPS Workshop 2011.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError
from eznas.minibatch.pool import Pool, pool_of

if TYPE_CHECKING:
    from pathlib import Path


_TEN = 10


def read_svhn(path: Path) -> Pool:
    """Return the images ``X`` (``h x w x 3 x n``) and labels ``y``, in which the digit 0 is 10.

    Raises:
        InputError: The file is damaged or of another kind.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    broken = (  # scipy raises these on bytes that are no such file
        *(OSError, EOFError, ValueError, TypeError, LookupError, NotImplementedError, MemoryError, OverflowError),
        *(zlib.error, MatReadError),
    )
    try:
        loaded = loadmat(str(path), appendmat=False, variable_names=("X", "y"))
    except broken as error:
        raise InputError(f"{path} must be a whole .mat file of version 5, but reading failed: {error}") from error
    images, labels = loaded.get("X"), loaded.get("y")
    if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray) or images.ndim != 4:  # noqa: PLR2004
        raise InputError(f"{path} must hold X, images of shape h x w x 3 x n, and y, their labels, as SVHN does")
    if not np.issubdtype(labels.dtype, np.integer) or labels.size == 0 or labels.min() < 1 or labels.max() > _TEN:
        raise InputError(f"the labels of {path} must be whole numbers from 1 to {_TEN}")
    pool = pool_of(np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels % _TEN, str(path))
    return Pool(pool.images, pool.labels, _TEN)
