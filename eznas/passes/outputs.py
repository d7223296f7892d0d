"""The outputs of layers, normalisations and activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.errors import UndefinedError

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.capture.function import Step
    from eznas.capture.layer import Recorded


@dataclass(frozen=True)
class Output:
    """The output of a layer, a normalisation or an activation.

    Args:
        recorded: The tensor.
        channels_last: Whether channels are its last axis, as for a linear layer, and not its second.
        step: The tensor.
    """

    recorded: Recorded
    channels_last: bool
    step: Step

    def channels_first(self) -> Tensor:
        """Return the tensor as ``n x c x *``; see ``channels_first``."""
        return channels_first(self.recorded.images_first(self.recorded.value), last=self.channels_last)


def channels_first(tensor: Tensor, *, last: bool) -> Tensor:
    """Return a layer's output as ``n x c x *``.

    Args:
        tensor: ``n x c x *``, or ``n x * x c``.
        last: Whether the channels are its last axis.

    Raises:
        UndefinedError: It has fewer than two axes.
    """
    if tensor.dim() < 2:  # noqa: PLR2004
        raise UndefinedError(f"a layer's output must have images and channels; its shape is {tuple(tensor.shape)}")
    return tensor.movedim(-1, 1) if last else tensor


def split_by_image(tensor: Tensor, images: int) -> Tensor:
    """Return ``n x c x *``, with consecutive windows or tokens of an image on its first axis, as ``images x c x *``.

    Raises:
        UndefinedError: The length of the first axis is no multiple of the number of images.
    """
    if len(tensor) % images:
        raise UndefinedError(
            f"the length of the first axis of a layer's output must be a multiple of the number of images, {images}; "
            f"it is {len(tensor)}"
        )
    return tensor if len(tensor) == images else tensor.reshape(images, -1, *tensor.shape[1:]).movedim(1, 2)
