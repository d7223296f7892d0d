"""The loss of some of the samples of a minibatch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture.outputs import loss_of
from eznas.errors import UndefinedError
from eznas.minibatch.labels import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.minibatch import Minibatch


def loss_of_samples(logits: Tensor, minibatch: Minibatch, samples: slice) -> Tensor:
    """Return the loss of some samples.

    Args:
        logits: Those of the samples.
        minibatch: Holds the labels of all samples, and the loss.
        samples: The samples.

    Raises:
        UndefinedError: None of the samples has a label.
        RecordError: See ``loss_of``.
    """
    labels = minibatch.labels[samples]
    positions = labels.dim() > 1 and labels.numel() and not labels.is_floating_point()
    if positions and bool((labels == IGNORED).all()):
        which = ", ".join(map(str, range(len(minibatch))[samples]))
        raise UndefinedError(
            f"a loss must have a label; all labels of {'sample' if len(labels) == 1 else 'samples'} {which} are "
            f"{IGNORED}; leave {'it' if len(labels) == 1 else 'them'} out"
        )
    return loss_of(logits, labels, minibatch.loss)
