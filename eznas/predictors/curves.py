"""Learning curves: values of a metric after the epochs of a training, a row for each architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

METRICS = ("train_loss", "validation_loss", "validation_accuracy")
"""The metrics of a curve. A training loss is the mean over the minibatches of an epoch."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Learning curves of ``n`` architectures at the same ``k`` epochs.

    The curves are those of a training of full length. Its first epochs differ from a short training, whose schedule of
    the learning rate ends earlier.

    Args:
        epochs: The ``k`` epochs, ascending from 1 or later.
        values: By metric, ``n x k`` values in the order of the architectures; NaN where a training has none.

    Raises:
        InputError: A metric is unknown, or a shape is wrong.
    """

    epochs: tuple[int, ...]
    values: Mapping[str, NDArray[np.float64]]

    def __post_init__(self) -> None:
        if not self.epochs or list(self.epochs) != sorted(set(self.epochs)) or self.epochs[0] < 1:
            raise InputError(f"the epochs of curves must ascend from 1 or later, got {self.epochs}")
        if not self.values:
            raise InputError(f"curves must hold a metric, of {', '.join(METRICS)}, got none")
        for metric, values in self.values.items():
            if metric not in METRICS:
                raise InputError(f"the metric of a curve must be one of {', '.join(METRICS)}, got {metric!r}")
            if values.shape != (len(self), len(self.epochs)):
                raise InputError(
                    f"the values of {metric} must be one row per architecture and one column per epoch, "
                    f"{len(self)} x {len(self.epochs)}, got {' x '.join(map(str, values.shape))}"
                )

    def __len__(self) -> int:
        """Return the number of architectures."""
        return len(next(iter(self.values.values())))

    def rows(self, indices: Sequence[int] | NDArray[np.intp]) -> Curves:
        """Return the curves of some architectures, in the order of the indices."""
        chosen = np.asarray(indices, dtype=np.intp)
        return Curves(self.epochs, {metric: values[chosen] for metric, values in self.values.items()})

    def until(self, epoch: int) -> Curves:
        """Return the parts of the curves up to an epoch.

        Raises:
            InputError: The curves begin later.
        """
        count = sum(known <= epoch for known in self.epochs)
        if not count:
            raise InputError(f"the curves must be cut at epoch {self.epochs[0]} or later, got {epoch}")
        return Curves(self.epochs[:count], {metric: values[:, :count] for metric, values in self.values.items()})
