"""The logits among what a network returns, and their loss.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from eznas.capture.call import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

_IGNORED = -100


def checked_logits(out: Any, images: int) -> Tensor:
    """Return the logits of a network for a number of images, ``images x classes`` or with axes between these.

    Raises:
        RecordError: It returns no tensor with a row for each image.
    """
    logits = _logits_of(out, images)
    if isinstance(logits, Tensor) and logits.dim() and len(logits) == images and logits.is_floating_point():
        return logits
    got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    raise RecordError(f"the network must return one tensor of {images} x classes logits; got {got}")


def _logits_of(out: Any, images: int) -> Any:
    """Return the logits of a network's output, or the output itself where there are none.

    Args:
        out: A tensor; or a tuple, list, dictionary or dataclass with the logits among its members: the one that is
            called ``logits``, or else the first tensor of floating point with a row for each image.
        images: The number of images.
    """
    if isinstance(out, Tensor):
        return out
    named = out.get("logits") if isinstance(out, Mapping) else getattr(out, "logits", None)
    if isinstance(named, Tensor):
        return named
    members: list[Any] = []
    if isinstance(out, Mapping):
        members = list(out.values())
    elif isinstance(out, (tuple, list)):
        members = list(out)
    elif dataclasses.is_dataclass(out):
        members = [getattr(out, field.name) for field in dataclasses.fields(out)]
    tensors = [member for member in members if isinstance(member, Tensor) and member.is_floating_point()]
    return next((tensor for tensor in tensors if tensor.dim() and len(tensor) == images), out)


def loss_of(logits: Tensor, labels: Tensor | None, loss: Callable[[Tensor, Tensor], Tensor] | None = None) -> Tensor:
    """Return the loss of logits, one number.

    Args:
        logits: Those of ``b`` images.
        labels: ``b x *``.
        loss: Maps logits and labels to the loss; None for ``mean_loss``.

    Raises:
        RecordError: There are no labels, or the loss is not one number.
    """
    if loss is None:
        return mean_loss(logits, labels)
    if labels is None or len(labels) != len(logits):
        got = "the minibatch has none" if labels is None else f"got {len(labels)} rows"
        raise RecordError(f"labels must have a row for each row of the logits, of which there are {len(logits)}; {got}")
    value = loss(logits, labels.to(logits.device, copy=True))
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise RecordError(f"the loss must return a tensor with one number, such as a mean; got {got}")
    return value.reshape(())


def mean_loss(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Return the mean cross-entropy of logits with labels.

    Args:
        logits: ``b x classes``; or with logits at several positions, such as tokens or pixels, ``b x * x classes`` or
            ``b x classes x *``.
        labels: ``b``, or ``b x *``; -100 stands for a position without a label, which does not count.

    Raises:
        RecordError: The labels are not one class for each image or position.
    """
    if labels is not None and labels.dim() > 1:
        return _mean_loss_of_positions(logits, labels)
    classes = logits.shape[1] if logits.dim() == 2 else 0  # noqa: PLR2004
    if labels is not None and not classes:
        shape = tuple(logits.shape)
        raise RecordError(f"labels of one class an image need logits of shape images x classes; got logits of {shape}")
    if labels is None or labels.shape != logits.shape[:1] or not bool(((labels >= 0) & (labels < classes)).all()):
        raise RecordError(f"labels must be one number from 0 to {classes - 1} for each image; got {labels}")
    return nn.functional.cross_entropy(logits, labels.to(logits.device, copy=True))


def _mean_loss_of_positions(logits: Tensor, labels: Tensor) -> Tensor:
    shape = tuple(labels.shape)
    if logits.dim() == 1 + labels.dim() and logits.shape[:-1] == shape:
        rows = logits.flatten(0, -2)
    elif logits.dim() == 1 + labels.dim() and (logits.shape[0], *logits.shape[2:]) == shape:
        rows = logits.movedim(1, -1).flatten(0, -2)
    else:
        raise RecordError(
            f"labels of shape {shape} need logits with these axes and one of the classes; got logits of "
            f"{tuple(logits.shape)}"
        )
    flat = labels.flatten().to(logits.device, copy=True)
    given = flat != _IGNORED
    if not bool(given.any()):
        raise RecordError("labels must be given at some position; all are -100")
    classes = rows.shape[1]
    if not bool(((flat >= 0) & (flat < classes))[given].all()):
        wrong = flat[given & ((flat < 0) | (flat >= classes))][0]
        raise RecordError(f"labels must be from 0 to {classes - 1}, or -100 at positions without one; got {int(wrong)}")
    return nn.functional.cross_entropy(rows, flat, ignore_index=_IGNORED)
