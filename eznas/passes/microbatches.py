"""The passes of a network over a few images of the minibatch at a time, so that one small graph is held at once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from eznas.capture import NoUnitsError, network_of_samples
from eznas.capture.calls import CallHooks
from eznas.errors import UndefinedError
from eznas.minibatch.labels import IGNORED
from eznas.passes.network_passes import NetworkPasses, computed_once
from eznas.passes.results import WeightGradient
from eznas.passes.weights import require_layers

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from eznas.capture.call import Call
    from eznas.minibatch import Minibatch


@dataclass(frozen=True)
class _Microbatch:
    """The results that have a row for each image."""

    logits: Tensor
    patterns: list[tuple[str, Tensor]]
    image_gradients: Tensor


class MicrobatchPasses(NetworkPasses):
    """Computes the parts that may split (see ``PARTS``) from microbatches.

    The loss must be a mean over images, or over labels that are given. Each microbatch runs in the same random state,
    so dropout zeroes the same elements in each.

    Args:
        images: The most images of a microbatch.
        *args: See ``NetworkPasses``.
    """

    def __init__(self, images: int, *args: Any) -> None:
        super().__init__(*args)
        self._images = images
        self._weight_gradients: list[WeightGradient] = []

    def forget(self, needed: Collection[str]) -> None:
        """Keep all results, which are small compared to a graph."""

    def logits(self) -> Tensor:
        """See ``NetworkPasses``."""
        return torch.cat([microbatch.logits for microbatch in self._microbatches()])

    def patterns(self) -> list[tuple[str, Tensor]]:
        """See ``NetworkPasses``."""
        runs = zip(*(microbatch.patterns for microbatch in self._microbatches()), strict=True)
        return [(run[0][0], torch.cat([positive for _, positive in run])) for run in runs]

    def image_gradients(self) -> Tensor:
        """See ``NetworkPasses``."""
        return torch.cat([microbatch.image_gradients for microbatch in self._microbatches()])

    def weight_gradients(self) -> list[WeightGradient]:
        """See ``NetworkPasses``; the mean over microbatches, weighted by their numbers of images."""
        self._microbatches()
        return require_layers(self._weight_gradients)

    @computed_once
    def _microbatches(self) -> list[_Microbatch]:
        results, batch = [], self.minibatch
        total = _terms(batch)
        for start in range(0, len(batch), self._images):
            some = slice(start, start + self._images)
            microbatch = replace(batch, images=batch.images[some], labels=batch.labels[some], digest="")
            network = network_of_samples(self.network, some)
            with _NoBatchNorm(), NetworkPasses(network, microbatch, self.parts) as passes:
                rows = passes.image_gradients() if "image_gradients" in self.parts else torch.empty(0)
                results.append(_Microbatch(passes.logits(), passes.patterns(), rows))
                terms = _terms(microbatch)
                if "weight_gradients" in self.parts and (terms or not total):  # no loss without labels
                    with contextlib.suppress(NoUnitsError):  # raised again where they are read
                        self._add(passes.weight_gradients(), terms / max(total, 1))
        return results

    def _add(self, gradients: list[WeightGradient], share: float) -> None:
        totals = self._weight_gradients or [
            WeightGradient(gradient.weight, torch.zeros_like(gradient.gradient)) for gradient in gradients
        ]
        self._weight_gradients = [
            WeightGradient(gradient.weight, total.gradient + share * gradient.gradient)
            for total, gradient in zip(totals, gradients, strict=True)
        ]


def _terms(minibatch: Minibatch) -> int:
    """Return the number of labels of which the loss is the mean."""
    labels = minibatch.labels
    return int((labels != IGNORED).sum()) if minibatch.loss is None and labels.dim() > 1 else len(minibatch)


class _NoBatchNorm(CallHooks):
    """Refuses functional batch normalisations, which no search for modules finds."""

    def other(self, call: Call) -> Any:
        if call.name in ("batch_norm", "native_batch_norm"):
            raise UndefinedError("split must be None for networks with batch normalisation; the network runs one")
        return call.run()
