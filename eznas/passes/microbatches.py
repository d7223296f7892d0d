"""NetworkPasses of a minibatch that runs in parts, so that the graph of one part at a time is held."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from eznas.capture import NoUnitsError
from eznas.errors import InputError, UndefinedError
from eznas.passes.network_passes import NetworkPasses, WeightGradient
from eznas.passes.recorder import of_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eznas.measures.registry import Measure

__all__ = ["SPLITTABLE", "MicrobatchPasses", "check_splittable"]

SPLITTABLE = frozenset((
    "logits", "patterns", "image_gradients", "weight_gradients", "linearised", "linearised_normalised", "noise_outputs",
    "singles",
))  # fmt: skip
"""The parts of ``NetworkPasses`` that stand in rows, add up over images, or never read more than a few of them."""


def check_splittable(records: Sequence[Measure], network: nn.Module, images: int) -> None:
    """Check that measures of a network can be computed from parts of a minibatch.

    Raises:
        InputError: A measure reads the minibatch as a whole, or one of the network's normalisations does.
    """
    if images < 1:
        raise InputError(f"a part of the minibatch must have at least one image; got split={images}")
    whole = [
        record.name
        for record in records
        if record.program or (not record.reads <= SPLITTABLE if record.shared else record.needs)
    ]
    if whole:
        raise InputError(f"the minibatch must not be split for {', '.join(whole)}, which read it as a whole")
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - torch has no other name for it
            raise InputError(
                f"the minibatch must not be split where a normalisation reads all of it, as {name or 'the network'} "
                "does; leave split out"
            )


@dataclass(frozen=True)
class _Rows:
    """What the images of one part gave."""

    logits: Tensor
    patterns: list[tuple[str, Tensor]]
    image_gradients: Tensor


class MicrobatchPasses(NetworkPasses):
    """What passes over parts of a minibatch gave: ``SPLITTABLE`` can be read.

    The loss must be a mean over images. Each part runs in the same random state, so dropout switches off the same in
    each.

    Args:
        images: At most so many run at once.
        everything: See ``NetworkPasses``.
    """

    def __init__(self, images: int, *everything: Any) -> None:
        super().__init__(*everything)
        self._images = images
        self._sums: list[WeightGradient] = []

    def forget(self, needed: Collection[str]) -> None:
        """Keep what is small beside a graph."""

    def logits(self) -> Tensor:
        """Return the logits, ``b x classes``."""
        return torch.cat([part.logits for part in self._ran()])

    def patterns(self) -> list[tuple[str, Tensor]]:
        """Return what ``NetworkPasses`` does."""
        runs = zip(*(part.patterns for part in self._ran()), strict=True)
        return [(run[0][0], torch.cat([positive for _, positive in run])) for run in runs]

    def image_gradients(self) -> Tensor:
        """Return what ``NetworkPasses`` does."""
        return torch.cat([part.image_gradients for part in self._ran()])

    def weight_gradients(self) -> list[WeightGradient]:
        """Return what ``NetworkPasses`` does: the mean of the parts' gradients by their numbers of images."""
        self._ran()
        return of_layers(self._sums)

    def _ran(self) -> list[_Rows]:
        return self._once("parts", self._run_parts)

    def _run_parts(self) -> list[_Rows]:
        found, batch = [], self.minibatch
        for start in range(0, len(batch), self._images):
            some = slice(start, start + self._images)
            part = replace(batch, images=batch.images[some], labels=batch.labels[some], digest="")
            with _PerImage(), NetworkPasses(self.network, part, self.parts & SPLITTABLE, self._loss) as passes:
                rows = passes.image_gradients() if "image_gradients" in self.parts else torch.empty(0)
                found.append(_Rows(passes.logits(), passes.patterns(), rows))
                if "weight_gradients" in self.parts:
                    with contextlib.suppress(NoUnitsError):  # said where they are asked for
                        self._add(passes.weight_gradients(), len(part) / len(batch))
        return found

    def _add(self, gradients: list[WeightGradient], share: float) -> None:
        before = self._sums or [WeightGradient(one.weight, torch.zeros_like(one.gradient)) for one in gradients]
        self._sums = [
            WeightGradient(one.weight, total.gradient + share * one.gradient)
            for total, one in zip(before, gradients, strict=True)
        ]


class _PerImage(TorchFunctionMode):
    """Refuses normalisations over the images that are no modules."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func.__name__ in ("batch_norm", "native_batch_norm"):
            raise UndefinedError("the minibatch must not be split where a batch normalisation reads all of it")
        return func(*args, **(kwargs or {}))
