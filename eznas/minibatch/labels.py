"""The labels of a minibatch, and their checks."""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.errors import InputError

IGNORED = -100
"""The label of positions that have none, as in torch's cross-entropy."""


def class_labels(labels: Tensor, main: Tensor, *, images_alone: bool) -> Tensor:
    """Return labels as int64 classes: one a sample, or one for each of its positions.

    Args:
        labels: See ``Minibatch``.
        main: The main input, with a row for each sample.
        images_alone: Whether the network takes images ``b x c x h x w`` alone, whose labels have one axis, or three for
            a class for each pixel.

    Raises:
        InputError: They are no classes, or there are not as many rows as samples.
    """
    samples = len(main) if main.dim() else 0
    if labels.dim() == 1 and not len(labels):
        return labels.long()
    if labels.dim() == 2 and len(labels) == samples and labels.shape[1] > 1:  # noqa: PLR2004
        ones = labels == 1
        rows = labels.is_floating_point() or main.is_floating_point()  # those of tokens are a class for each token
        if rows and bool((ones | (labels == 0)).all()) and bool((ones.sum(1) == 1).all()):
            return labels.argmax(1)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
        raise InputError(
            f"labels must be one class an image, as integers, or rows with a single one; got {labels.dtype} of shape "
            f"{tuple(labels.shape)}; targets of a regression have no classes and need a loss",
            parameters=("labels",),
        )
    positions = labels.dim() > (2 if images_alone else 1) and len(labels) == samples
    if not positions and labels.shape != (samples,):
        raise InputError(
            f"labels must be one class an image, of shape ({samples},) for {samples} images; got shape "
            f"{tuple(labels.shape)}",
            parameters=("labels",),
        )
    given = labels[labels != IGNORED] if positions else labels
    if given.numel() and not labels.is_meta and int(given.min()) < 0:
        raise InputError(f"labels must be classes from 0; the least is {int(given.min())}", parameters=("labels",))
    return labels.long()


def any_labels(labels: Tensor, main: Tensor) -> Tensor:
    """Return labels that a loss of the user's own reads, integers as int64.

    Raises:
        InputError: There are not as many rows as samples.
    """
    if not labels.dim() or len(labels) not in (0, len(main)):
        raise InputError(
            f"labels must have a row for each of the {len(main)} samples; got shape {tuple(labels.shape)}",
            parameters=("labels",),
        )
    return labels if labels.is_floating_point() or labels.dtype is torch.bool else labels.long()


def number_of_classes(labels: Tensor) -> int:
    """Return the number of classes up to the greatest label, at least 1."""
    if labels.is_floating_point() or not labels.numel():
        return 1
    return max(int(labels.max()) + 1, 1)
