"""A minibatch: the inputs of a network and their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from eznas.errors import InputError
from eznas.minibatch.labels import any_labels, class_labels, number_of_classes

Loss = Callable[[Tensor, Tensor], Tensor]

LABELS = ("labels", "label", "targets", "target")
"""The names of labels in a dictionary."""


@dataclass(frozen=True, eq=False)
class Minibatch:
    """The inputs of a network and their labels.

    The inputs are called images throughout eznas. A network may take any tensors whose first axis is that of the
    samples: images, audio, sequences, tokens with attention masks. ``noise`` and ``perturbed`` are for tensors of
    floating point. Where the network takes other inputs, noise acts inside the network; see
    ``eznas.capture.with_tensor_input``.

    Args:
        images: A tensor; a tuple of positional arguments; or a dictionary of named arguments. Images are
            ``b x c x h x w`` float32, normalised. In a tuple or dictionary, tensors whose first axis has ``b`` entries
            have a row for each sample, and all others are passed as they are.
        labels: ``b`` integers, from 0, kept as int64; rows of zeros and a single one become the places of the ones.
            For networks with logits at several positions, such as tokens, ``b x *`` integers, where -100 stands for a
            position without a label. No entries where there are no labels. With a ``loss``, any tensor of ``b`` rows.
        classes: Number of classes.
        source: The images' name or path, for messages.
        digest: SHA-256 over the bytes of images and labels, computed where it is empty. It does not cover their shape,
            ``classes``, ``source``, ``seed``, ``loss`` and ``deviation``.
        seed: Seed of ``noise`` and ``perturbed``.
        loss: Maps logits and labels to one number; None for the mean cross-entropy.
        deviation: Standard deviation of ``noise``, and ten times that of the noise in ``perturbed``.
        checked: Whether the labels have this form; the constructor brings them into it otherwise, and sets it.
    """

    images: Any
    labels: Tensor
    classes: int
    source: str
    digest: str = ""
    seed: int = 0
    loss: Loss | None = None
    deviation: float = 1.0
    checked: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.images, Mapping):
            object.__setattr__(self, "images", dict(self.images))
        main = self.main_input
        if not self.checked:
            alone = isinstance(self.images, Tensor) and main.dim() == 4  # noqa: PLR2004
            given = self.labels
            of_classes = self.loss is None
            labels = class_labels(given, main, images_alone=alone) if of_classes else any_labels(given, main)
            object.__setattr__(self, "labels", labels)
            object.__setattr__(self, "checked", True)
        if not self.digest:
            object.__setattr__(self, "digest", _digest(self.images, self.labels))

    @classmethod
    def of(cls, data: Any, loss: Loss | None = None) -> Minibatch:
        """Return a minibatch as it is, or make one of inputs and labels.

        Args:
            data: A minibatch; a pair of inputs and labels; a dictionary of named inputs, of which ``labels``, if there
                are any, are the labels; or a loader, whose first batch is read.
            loss: Replaces the loss of the minibatch; see ``Minibatch``.

        Raises:
            InputError: It is none of these, or a tuple or list with tensors behind the first two members.
        """
        if isinstance(data, cls):
            return data if loss is None else replace(data, loss=loss)
        if isinstance(data, Mapping):
            inputs = dict(data)
            name = next((name for name in LABELS if name in inputs), None)
            labels = torch.empty(0, dtype=torch.int64) if name is None else _tensor(inputs.pop(name), name)
            return cls._of_pair(inputs, labels, loss)
        if isinstance(data, Iterable) and not isinstance(data, (tuple, list, str, Tensor)):
            return cls.of(next(iter(data), None), loss)
        if isinstance(data, (tuple, list)) and any(isinstance(member, Tensor) for member in data[2:]):
            raise InputError(
                f"minibatch must be a pair of inputs and labels, got {len(data)} members; pass a pair "
                "((first, second), labels), or a dictionary of named inputs with the labels under 'labels'",
                parameters=("minibatch",),
            )
        if isinstance(data, (tuple, list)) and len(data) > 1 and isinstance(data[1], Tensor):
            first = tuple(data[0]) if isinstance(data[0], list) else data[0]
            if isinstance(first, (Tensor, tuple, Mapping)):
                return cls._of_pair(first, data[1], loss)
        raise InputError(
            "minibatch must be a Minibatch, a pair of images and labels, or a loader of such pairs; got a "
            f"{type(data).__name__}; eznas.load_minibatch makes one of files",
            parameters=("minibatch",),
        )

    @classmethod
    def _of_pair(cls, inputs: Any, labels: Tensor, loss: Loss | None) -> Minibatch:
        made = cls(inputs, labels, 1, "caller", loss=loss)
        rows = labels.shape[1] if labels.dim() > 1 and made.labels.dim() == 1 else 0  # of zeros and a single one
        return replace(made, classes=rows or number_of_classes(made.labels))

    @property
    def main_input(self) -> Tensor:
        """The first tensor among the inputs that is no mask: no booleans, and no name with ``mask`` in it.

        Raises:
            InputError: There is no such tensor.
        """
        main: Tensor = named_inputs(self.images)[main_name(self.images)]
        return main

    def __len__(self) -> int:
        return len(self.main_input)

    def __repr__(self) -> str:
        tensors = {name: value for name, value in named_inputs(self.images).items() if isinstance(value, Tensor)}
        shapes = ["x".join(map(str, tensor.shape[1:])) for tensor in tensors.values()]
        if isinstance(self.images, Mapping):
            shapes = [f"{name} {shape}" for name, shape in zip(tensors, shapes, strict=True)]
        return (
            f"<Minibatch {len(self)} images {', '.join(shapes)} of {self.source}, {self.classes} classes, "
            f"{self.main_input.device}>"
        )

    @property
    def shape(self) -> Any:
        """The shape of the images, or of each input by its name."""
        if isinstance(self.images, Tensor):
            return tuple(self.images.shape)
        return {name: tuple(getattr(value, "shape", ())) for name, value in named_inputs(self.images).items()}

    @property
    def noise(self) -> Tensor:
        """Normal images of standard deviation ``deviation``, ``b x c x h x w``, from the seed.

        Raises:
            InputError: The images are no tensor of floating point.
        """
        return self._normal(self.seed)

    @property
    def perturbed(self) -> Tensor:
        """The images plus a tenth of such noise, ``b x c x h x w``, from the next seed.

        Raises:
            InputError: The images are no tensor of floating point.
        """
        perturbed: Tensor = self.images + 0.1 * self._normal(self.seed + 1)
        return perturbed

    def take(self, count: int) -> Minibatch:
        """Return the first ``count`` images, or all where ``count`` is 0 as in a ``Fidelity``.

        Raises:
            InputError: The minibatch has fewer images.
        """
        if not 0 <= count <= len(self):
            raise InputError(f"the minibatch has {len(self)} images, cannot take {count}; load a larger one")
        if count in (0, len(self)):
            return self
        total = len(self)
        images = with_inputs(self.images, lambda tensor: tensor[:count] if tensor.shape[:1] == (total,) else tensor)
        return replace(self, images=images, labels=self.labels[:count], digest="")

    def resized(self, pixels: int) -> Minibatch:
        """Return the images resized to ``pixels x pixels``, as ``resize`` does; other inputs are returned unchanged.

        Raises:
            InputError: ``pixels`` is less than 1.
        """
        if not isinstance(self.images, Tensor) or self.images.dim() != 4:  # noqa: PLR2004
            return self
        images = resize(self.images, pixels)
        return self if images is self.images else replace(self, images=images, digest="")

    def to(self, device: torch.device | str) -> Minibatch:
        """Return the minibatch on a device."""
        images = with_inputs(self.images, lambda tensor: tensor.to(device))
        return replace(self, images=images, labels=self.labels.to(device))

    def _normal(self, seed: int) -> Tensor:
        if not isinstance(self.images, Tensor) or not self.images.is_floating_point():
            raise InputError(
                "noise must be of a tensor of floating point; eznas.measure puts it in place of the output of the "
                "network's first embedding where the network takes other inputs"
            )
        generator = torch.Generator().manual_seed(seed)  # on the CPU: equal on every device
        with torch.inference_mode(mode=False):  # tensors made in inference mode forbid gradients
            normal = torch.randn(self.images.shape, generator=generator).to(self.images.device)
            return normal if self.deviation == 1 else self.deviation * normal


def _tensor(labels: Any, name: str) -> Tensor:
    """Return labels of a dictionary, such as a list or an array, as a tensor."""
    try:
        return torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{name} must be a tensor, or numbers of which torch.as_tensor makes one; got a {type(labels).__name__}",
            parameters=("minibatch",),
        ) from error


def named_inputs(inputs: Any) -> dict[Any, Any]:
    """Return inputs by their names, or by their positions."""
    if isinstance(inputs, Tensor):
        return {0: inputs}
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if isinstance(inputs, tuple):
        return dict(enumerate(inputs))
    raise InputError(f"images must be a tensor, a tuple or a dictionary of tensors; got a {type(inputs).__name__}")


def with_inputs(inputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return inputs with each tensor changed."""
    changed = {
        name: change(value) if isinstance(value, Tensor) else value for name, value in named_inputs(inputs).items()
    }
    if isinstance(inputs, Tensor):
        return changed[0]
    return changed if isinstance(inputs, Mapping) else tuple(changed.values())


def main_name(inputs: Any) -> Any:
    """Return the name or the position of the first tensor that is no mask.

    Raises:
        InputError: There is no such tensor.
    """
    for name, value in named_inputs(inputs).items():
        if isinstance(value, Tensor) and value.dtype is not torch.bool and "mask" not in str(name):
            return name
    values = named_inputs(inputs).values()
    kinds = dict.fromkeys("masks" if isinstance(value, Tensor) else type(value).__name__ for value in values)
    raise InputError(
        f"images must hold a tensor that is no mask; they hold {', '.join(kinds) or 'nothing'}; torch.as_tensor makes "
        "tensors of arrays",
        parameters=("images",),
    )


def resize(images: Tensor, pixels: int) -> Tensor:
    """Resize ``b x c x h x w`` images to ``b x c x pixels x pixels`` by bilinear interpolation.

    Shrinking averages the pixels under a new one (antialiasing). Images of that size are returned unchanged.

    Raises:
        InputError: ``pixels`` is less than 1.
    """
    if pixels < 1:
        raise InputError(f"pixels must be at least 1, got {pixels}", parameters=("pixels",))
    size = tuple(images.shape[-2:])
    if size == (pixels, pixels):
        return images
    shrinks = pixels < max(size)
    return functional.interpolate(images, (pixels, pixels), mode="bilinear", antialias=shrinks)


def _digest(images: Any, labels: Tensor) -> str:
    digest = hashlib.sha256()
    for name, value in named_inputs(images).items():
        if not isinstance(images, Tensor):
            digest.update(f"{name}{'' if isinstance(value, Tensor) else value}".encode())
        if isinstance(value, Tensor):
            digest.update(_bytes(value))
    digest.update(_bytes(labels))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    contiguous = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    return contiguous.flatten().view(torch.uint8).numpy().tobytes()  # numpy has no bfloat16
