"""What one network does on one minibatch, each pass run at most once however many measures read it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from eznas.capture import explained, preserved
from eznas.capture.preserve import device_of
from eznas.capture.statistics import mean_loss
from eznas.errors import NETWORK_FAILURES, InputError, UndefinedError
from eznas.passes.blocks import main_features
from eznas.passes.forward import Forward, check_finite, reachable, run_forward
from eznas.passes.linearised import flow
from eznas.passes.recorder import by_images, channels_first, check_seen, named_weights, of_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType

    from torch import nn
    from typing_extensions import Self

    from eznas.minibatch import Minibatch
    from eznas.passes.blocks import Feature

__all__ = ["PARTS", "LayerGradient", "NetworkPasses", "WeightGradient"]

T = TypeVar("T")

PARTS: dict[str, frozenset[str]] = {
    "logits": frozenset({"forward"}),
    "patterns": frozenset({"forward"}),
    "outputs": frozenset({"forward"}),
    "features": frozenset({"forward"}),
    "feature_gradients": frozenset({"forward", "backward"}),
    "image_gradients": frozenset({"forward", "backward"}),
    "weight_gradients": frozenset({"forward", "backward", "labels"}),
    "layer_gradients": frozenset({"forward", "backward", "labels"}),
    "curvature": frozenset({"forward", "backward", "labels", "second order"}),
    "sample_gradients": frozenset({"forward", "backward", "samples"}),
    "halves": frozenset({"forward", "backward", "labels", "batches"}),
    "singles": frozenset({"forward", "backward", "labels", "samples"}),
    "noise_outputs": frozenset({"forward", "noise"}),
    "linearised": frozenset({"forward", "backward"}),
    "linearised_normalised": frozenset({"forward", "backward"}),
}
"""What can be read, and what that needs: see the methods of ``NetworkPasses``."""

_OF_ONE_FORWARD = frozenset((
    "logits", "patterns", "outputs", "features", "feature_gradients", "image_gradients", "weight_gradients",
    "layer_gradients", "curvature", "sample_gradients",
))  # fmt: skip
_OF_THE_LOSS = frozenset({"weight_gradients", "layer_gradients", "curvature"})


@dataclass(frozen=True)
class WeightGradient:
    """A weight, ``c_out x *``, and its gradient."""

    weight: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class LayerGradient:
    """What left a layer in one run, ``b x c x *``, its gradient, and the products of each output number."""

    out: Tensor
    gradient: Tensor
    products: int


class NetworkPasses:
    """What passes of a network over a minibatch gave, computed when it is first read.

    A context, outside of which the network is as it was found. Every pass runs in the same random state with copies of
    the network's buffers, so what one gives does not depend on which others ran. Batch normalisation uses the
    statistics of the images at hand; everything else runs in the mode that the network is in.

    Args:
        network: Maps images to ``b x classes`` logits.
        minibatch: On any device.
        parts: What is going to be read, of ``PARTS``.
        loss: Maps logits and labels to the loss; None for the mean cross-entropy.

    Raises:
        InputError: A part is unknown.
        CaptureError: The network cannot be run.
        UndefinedError: It gives logits, or gradients of images' loss, that are not finite.
    """

    def __init__(
        self,
        network: nn.Module,
        minibatch: Minibatch,
        parts: Iterable[str],
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.network = network
        self.minibatch = minibatch.to(device_of(network))
        self.parts = frozenset(parts)
        if not self.parts <= PARTS.keys():
            raise InputError(f"the parts must be of {', '.join(PARTS)}; got {', '.join(self.parts - PARTS.keys())}")
        self._loss = loss or mean_loss
        self._found: dict[str, Any] = {}
        self._failed: dict[str, BaseException] = {}
        self._grads_enabled: list[Tensor] = []
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as contexts:  # closed where one of them raises
            for context in (explained(), preserved(self.network), torch.enable_grad()):
                contexts.enter_context(context)
            self._contexts = contexts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._found.clear()
        self._failed.clear()
        for weight in self._grads_enabled:
            weight.requires_grad_(False)
        return self._contexts.__exit__(kind, error, trace)

    def forget(self, needed: Collection[str]) -> None:
        """Free what is not read any more.

        Args:
            needed: The parts that are still going to be read.
        """
        keep = set(needed)
        keep |= {"forward"} if _OF_ONE_FORWARD.intersection(needed) else set()
        keep |= {"loss"} if _OF_THE_LOSS.intersection(needed) else set()
        for name in self._found.keys() - keep:
            del self._found[name]

    def logits(self) -> Tensor:
        """Return the logits, ``b x classes``."""
        return self._forward().logits.detach()

    def patterns(self) -> list[tuple[str, Tensor]]:
        """Return, for each activation that the logits depend on, its name and where its input was positive."""
        forward = self._forward()
        used = reachable(forward.logits.grad_fn)
        return [(found.activation, found.positive) for found in forward.watch.patterns if found.node in used]

    def outputs(self) -> list[Tensor]:
        """Return what left each convolution, linear layer, normalisation and activation: ``n x c x *``.

        Raises:
            UndefinedError: A layer ran unseen.
        """
        watch = self._forward().watch
        check_seen(watch)
        return [out.channels_first() for out in watch.outputs]

    def features(self) -> list[Feature]:
        """Return what left the network's blocks: maps, else tokens, else vectors."""
        return main_features(self._forward().features)

    def feature_gradients(self, later: Feature, earlier: Feature, direction: Tensor) -> Tensor:
        """Return the gradient of ``<direction, later>`` with respect to an earlier feature; zero where it has none."""
        self._forward()
        found = None
        if later.edge is not None and earlier.edge is not None:
            (found,) = torch.autograd.grad(
                later.edge, earlier.edge, grad_outputs=direction, retain_graph=True, allow_unused=True
            )
        return torch.zeros_like(earlier.tensor) if found is None else found

    def image_gradients(self) -> Tensor:
        """Return the gradient of the sum of all logits with respect to the images, ``b x n``."""

        def compute() -> Tensor:
            forward = self._forward()
            (found,) = self._differentiate(forward.logits.sum(), [forward.images])
            return torch.zeros_like(forward.images).flatten(1) if found is None else found.flatten(1)

        return self._once("image_gradients", compute)

    def weight_gradients(self) -> list[WeightGradient]:
        """Return the weights of the layers and the gradients of the loss; zero where it does not depend on one.

        Raises:
            NoUnitsError: There is no layer.
        """
        found = self._loss_gradients()[0]
        return [
            WeightGradient(value, torch.zeros_like(value) if gradient is None else gradient.detach())
            for value, gradient in zip(of_layers(self._forward().values), found, strict=True)
        ]

    def layer_gradients(self) -> list[LayerGradient]:
        """Return what left each layer's runs and the gradients of the loss.

        Raises:
            NoUnitsError: No layer ran.
            UndefinedError: A layer's first axis is not that of the images, or a layer ran unseen.
        """
        watch = self._forward().watch
        check_seen(watch)
        found, images = [], len(self.minibatch)
        for layer, gradient in zip(of_layers(watch.layers), self._loss_gradients()[1], strict=True):
            out = layer.leaving.value
            filled = torch.zeros_like(out) if gradient is None else gradient.detach()
            products = int(torch.Size(layer.weight.shape[1:]).numel())
            out, filled = (by_images(channels_first(one, last=layer.linear), images) for one in (out, filled))
            found.append(LayerGradient(out, filled, products))
        return found

    def curvature(self) -> list[Tensor]:
        """Return the product of the loss's Hessian in the weights with its gradient: one tensor a weight."""

        def compute() -> list[Tensor]:
            forward, gradients = self._forward(), self._loss_gradients()[0]
            along = [(gradient.detach() * gradient).sum() for gradient in gradients if gradient is not None]
            found: list[Tensor | None] = [None] * len(forward.weights)
            total = torch.stack(along).sum() if along else forward.logits.new_zeros(())
            if total.requires_grad:
                found = list(self._differentiate(total, forward.weights))
            return [
                torch.zeros_like(value) if one is None else one
                for value, one in zip(forward.values, found, strict=True)
            ]

        return self._once("curvature", compute)

    def sample_gradients(self) -> list[Tensor]:
        """Return the gradients of each image's sum of logits, with respect to every parameter named a weight.

        Batch normalisation couples the images: the gradient is through the statistics too.

        Returns:
            One tensor a parameter, ``b x numel``.
        """

        def compute() -> list[Tensor]:
            logits = self._forward().logits
            weights = named_weights(self.network)
            if not weights:
                raise UndefinedError("the network must have parameters named weight; it has none")
            rows: list[tuple[Tensor | None, ...]] = [self._differentiate(one.sum(), weights) for one in logits]
            return [
                torch.stack([torch.zeros_like(weight) if one is None else one for one in column]).flatten(1)
                for weight, column in zip(weights, zip(*rows, strict=True), strict=True)
            ]

        return self._once("sample_gradients", compute)

    def halves(self) -> list[list[Tensor]]:
        """Return the gradients of the loss on each half of the minibatch: two lists with one tensor a weight.

        Raises:
            NoUnitsError: There is no layer.
            UndefinedError: There is only one image.
        """

        def compute() -> list[list[Tensor]]:
            half = len(self.minibatch) // 2
            if not half:
                raise UndefinedError("the minibatch must have at least two images to be halved; it has one")
            return [self._gradients(slice(half)), self._gradients(slice(half, 2 * half))]

        return self._once("halves", compute)

    def singles(self, visit: Callable[[list[Tensor]], None]) -> None:
        """Give the gradients of the loss on each image alone to ``visit``: one tensor a weight.

        Raises:
            NoUnitsError: There is no layer.
        """
        for index in range(len(self.minibatch)):
            visit(self._gradients(slice(index, index + 1)))

    def noise_outputs(self) -> list[Tensor]:
        """Return what left each layer, normalisation and activation for one image of noise: ``c x *``.

        A second image runs along, without which batch normalisation has no statistics of single numbers.

        Raises:
            UndefinedError: A layer's first axis is not that of the images, or a layer ran unseen.
        """

        def compute() -> list[Tensor]:
            with torch.no_grad():
                forward = self._run(self.minibatch.noise[:2].to(self.minibatch.images), {"outputs"})
            check_seen(forward.watch)
            return [by_images(out.channels_first(), len(forward.images))[0] for out in forward.watch.outputs]

        return self._once("noise_outputs", compute)

    def linearised(self) -> list[tuple[Tensor, Tensor]]:
        """Return what ``flow`` gives without batch normalisation."""
        return self._once("linearised", lambda: flow(self.network, self.minibatch.images, normalised=False))

    def linearised_normalised(self) -> list[tuple[Tensor, Tensor]]:
        """Return what ``flow`` gives with batch normalisation."""
        return self._once("linearised_normalised", lambda: flow(self.network, self.minibatch.images, normalised=True))

    def _once(self, name: str, compute: Callable[[], T]) -> T:
        if name in self._failed:
            raise self._failed[name]
        if name not in self._found:
            try:
                self._found[name] = compute()
            except NETWORK_FAILURES as error:
                self._failed[name] = error  # the next measure need not find out again
                raise
        return cast("T", self._found[name])

    def _forward(self) -> Forward:
        return self._once("forward", lambda: self._run(self.minibatch.images, self.parts))

    def _run(self, images: Tensor, parts: Collection[str]) -> Forward:
        return run_forward(self.network, images, parts, self._grads_enabled)

    def _loss_gradients(self) -> tuple[list[Tensor | None], list[Tensor | None]]:
        """Return the gradients of the loss in the weights and in what leaves the layers; None where there is none."""

        def compute() -> tuple[list[Tensor | None], list[Tensor | None]]:
            forward = self._forward()
            edges = forward.weights
            outs = [layer.leaving.edge for layer in forward.watch.layers] if "layer_gradients" in self.parts else []
            asked = [*edges, *(edge for edge in outs if edge is not None)]
            loss = self._loss(forward.logits, self.minibatch.labels)
            found = iter(self._differentiate(loss, asked, create_graph="curvature" in self.parts))
            of_weights = [next(found) for _ in edges]
            return of_weights, [None if edge is None else next(found) for edge in outs]

        return self._once("loss", compute)

    def _gradients(self, some: slice) -> list[Tensor]:
        """Return the gradients of the loss on some of the images: one tensor a weight."""
        forward = self._run(self.minibatch.images[some], {"weight_gradients"})
        values = of_layers(forward.values)
        found = self._differentiate(self._loss(forward.logits, self.minibatch.labels[some]), forward.weights)
        check_finite("the gradients of the loss", [one for one in found if one is not None])
        return [torch.zeros_like(value) if one is None else one for value, one in zip(values, found, strict=True)]

    def _differentiate(
        self, number: Tensor, edges: list[Any], *, create_graph: bool = False
    ) -> tuple[Tensor | None, ...]:
        if not edges or not number.requires_grad:
            return (None,) * len(edges)
        return torch.autograd.grad(number, edges, retain_graph=True, create_graph=create_graph, allow_unused=True)
