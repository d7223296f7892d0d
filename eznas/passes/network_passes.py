"""The passes of one network over one minibatch, each run at most once however many measures read it."""

from __future__ import annotations

import contextlib
import functools
import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from eznas.capture import fork_state, network_of_samples, translated_errors, with_tensor_input
from eznas.capture.graph import nodes_behind
from eznas.capture.state import device_of, running_backward
from eznas.errors import NETWORK_FAILURES, UndefinedError
from eznas.passes.blocks import main_features
from eznas.passes.forward import Forward, run_forward
from eznas.passes.gradients import check_finite, differentiate, second_derivatives, zeros_for_none
from eznas.passes.linearised import absolute_gradients, linearised_gradients
from eznas.passes.loss import loss_of_samples
from eznas.passes.outputs import channels_first, split_by_image
from eznas.passes.parts import PARTS
from eznas.passes.recorder import check_recorded
from eznas.passes.results import Attention, LayerGradient, WeightGradient
from eznas.passes.roles import Roles, roles_of
from eznas.passes.weights import require_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from types import TracebackType

    from torch import nn
    from typing_extensions import Self

    from eznas.capture.attention import AttentionProduct
    from eznas.minibatch import Minibatch
    from eznas.passes.blocks import Feature
    from eznas.passes.recorder import PassRecorder


T = TypeVar("T")


def computed_once(method: Callable[[Any], T]) -> Callable[[Any], T]:
    """Decorate a method of ``NetworkPasses`` so that its result, or its exception, is computed once and kept."""
    name = method.__name__.strip("_")

    @functools.wraps(method)
    def compute(self: NetworkPasses) -> T:
        if name in self._errors:
            raise self._errors[name]
        if name not in self._results:
            try:
                self._results[name] = method(self)
            except NETWORK_FAILURES as error:
                self._errors[name] = error
                raise
        return cast("T", self._results[name])

    return compute


class NetworkPasses:
    """Runs passes of a network over a minibatch when a measure first reads their results.

    Use it as a context; on exit the network is as it was. Every pass runs in the same random state with copies of the
    network's buffers, so its results do not depend on other passes. Batch normalisation uses the statistics of the
    images; everything else runs in the mode of the network.

    Args:
        network: Maps the images or other inputs to logits; see ``with_tensor_input``.
        minibatch: It may be on any device.
        parts: The parts that will be read: names of ``PARTS``, each the name of a method.

    Raises:
        InputError: A part is unknown.
        CaptureError: The network cannot be run.
        UndefinedError: The logits, or gradients of single images, are not finite.
    """

    def __init__(self, network: nn.Module, minibatch: Minibatch, parts: Iterable[str]) -> None:
        with translated_errors():
            self.network, minibatch = with_tensor_input(network, minibatch)
        self.minibatch = minibatch.to(device_of(network))
        self.parts = frozenset(parts)
        for part in self.parts:
            PARTS[part]  # raises for an unknown part
        if "map_outputs" in self.parts:
            self.parts |= {"outputs"}
        self._results: dict[str, Any] = {}
        self._errors: dict[str, BaseException] = {}
        self._grads_enabled: list[Tensor] = []
        self._contexts = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as contexts:  # closed if one of them raises
            for context in (translated_errors(), fork_state(self.network), torch.enable_grad()):
                contexts.enter_context(context)
            self._contexts = contexts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._results.clear()
        self._errors.clear()
        for weight in self._grads_enabled:
            weight.requires_grad_(False)
        return self._contexts.__exit__(kind, error, trace)

    def forget(self, needed: Collection[str]) -> None:
        """Free all results except those of the parts that will still be read."""
        keep = set(needed).union(*(PARTS[part].results for part in needed))
        for name in self._results.keys() - keep:
            del self._results[name]

    @property
    def recorder(self) -> PassRecorder:
        """The recorder of the forward pass."""
        return self._forward().recorder

    def logits(self) -> Tensor:
        """Return the logits, ``b x classes``."""
        return self._forward().logits.detach()

    def patterns(self) -> list[tuple[str, Tensor]]:
        """Return the name and the signs of the inputs, ``b x n``, of each activation that the logits depend on."""
        forward = self._forward()
        used = set(nodes_behind(forward.logits.grad_fn))
        patterns = forward.recorder.patterns
        return [(pattern.activation, pattern.positive) for pattern in patterns if pattern.node in used]

    def outputs(self) -> list[Tensor]:
        """Return the output of each convolution, linear layer, normalisation and activation: ``n x c x *``.

        Raises:
            UndefinedError: torch hides the output of a layer.
        """
        recorder = self._forward().recorder
        check_recorded(recorder)
        return [out.channels_first() for out in recorder.outputs]

    def map_outputs(self, function: Callable[[Tensor], T]) -> list[T]:
        """Return a function of each tensor of ``outputs``; it must not keep the tensor.

        Raises:
            UndefinedError: torch hides the output of a layer.
        """
        return [function(out) for out in self.outputs()]

    def features(self) -> list[Feature]:
        """Return the outputs of the network's blocks: maps, else tokens, else vectors."""
        return main_features(self._forward().features)

    def feature_gradients(self, later: Feature, earlier: Feature, direction: Tensor) -> Tensor:
        """Return the gradient of ``<direction, later>`` with respect to an earlier feature; zero where it has none."""
        self._forward()
        gradient = None
        if later.edge is not None and earlier.edge is not None:
            with running_backward(direction.device):
                (gradient,) = torch.autograd.grad(
                    later.edge, earlier.edge, grad_outputs=direction, retain_graph=True, allow_unused=True
                )
        return torch.zeros_like(earlier.tensor) if gradient is None else gradient

    @computed_once
    def image_gradients(self) -> Tensor:
        """Return the gradient of the sum of all logits with respect to the images, ``b x n``."""
        forward = self._forward()
        [gradient] = zeros_for_none(differentiate(forward.logits.sum(), [forward.images]), [forward.images])
        return gradient.flatten(1)

    def weight_gradients(self) -> list[WeightGradient]:
        """Return the weights of the layers and the gradients of the loss; zero where it does not depend on a weight.

        Where a layer computes its weight from parameters,
        such as a masked or normalised weight, these parameters are the weights, each once.

        Raises:
            NoUnitsError: There is no layer.
        """
        gradients, weights = self._loss_gradients()[0], require_layers(self._forward().weights)
        return [
            WeightGradient(weight.detach(), gradient)
            for weight, gradient in zip(weights, zeros_for_none(gradients, weights), strict=True)
        ]

    def layer_gradients(self) -> list[LayerGradient]:
        """Return the outputs of the layers' runs and the gradients of the loss.

        Raises:
            NoUnitsError: No layer ran.
            UndefinedError: A layer's first axis is not that of the images, or torch hides the output of a layer.
        """
        recorder, images = self._forward().recorder, len(self.minibatch)
        check_recorded(recorder)
        layers, gradients = require_layers(recorder.layers), self._loss_gradients()[1]
        outputs = [layer.conv_out.value for layer in layers]
        results = []
        for layer, *tensors in zip(layers, outputs, zeros_for_none(gradients, outputs), strict=True):
            channels = layer.conv_out.shape[-1 if layer.linear else 1]
            fan_in = math.prod(layer.weight.shape) // channels
            out, gradient = (
                split_by_image(channels_first(layer.conv_out.images_first(tensor), last=layer.linear), images)
                for tensor in tensors
            )
            results.append(LayerGradient(out, gradient, fan_in))
        return results

    def attentions(self) -> list[Attention]:
        """Return the attention maps and the outputs of the heads, in the order of execution.

        Products are found in ``scaled_dot_product_attention``, in ``nn.MultiheadAttention``, and wherever a matrix
        product or ``einsum`` multiplies the result of a softmax with values.

        Raises:
            UndefinedError: No attention ran.
        """
        products = self._attention_products()
        return [Attention(product.name, product.maps(), product.heads()) for product in products]

    def attention_gradients(self) -> list[Attention]:
        """Return the gradients of the loss with respect to the tensors of ``attentions``.

        Raises:
            UndefinedError: No attention ran.
        """
        products, gradients = self._attention_products(), self._loss_gradients()[2]
        results = []
        for place, product in enumerate(products):
            tensors = [product.conv_in.value, product.conv_out.value]
            maps, heads = zeros_for_none(gradients[2 * place : 2 * place + 2], tensors)
            results.append(Attention(product.name, product.shaped("conv_in", maps), product.by_head(heads)))
        return results

    @computed_once
    def roles(self) -> Roles:
        """Return the roles of the layers that ran in attention and in feed-forward blocks."""
        recorder = self._forward().recorder
        return roles_of(recorder.layer_runs, recorder.activation_runs, recorder.products)

    def role_gradients(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of the sum of all logits with respect to weights of ``roles``, zero where there is none.

        Args:
            weights: Parameters; they must require gradients.
        """
        return zeros_for_none(differentiate(self._forward().logits.sum(), weights), weights)

    def absolute_gradients(self, weights: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the absolute values of weights of ``roles`` and their gradients in the run of ``linearised``."""
        return absolute_gradients(self.network, self.minibatch.images, weights)

    def _attention_products(self) -> list[AttentionProduct]:
        products = self._forward().recorder.products
        if not products:
            raise UndefinedError(
                "the network must multiply the result of a softmax by values in matmul, einsum or "
                "scaled_dot_product_attention; no attention is found"
            )
        return products

    @computed_once
    def curvature(self) -> list[tuple[Tensor, Tensor]]:
        """Return the weights, and the product of the loss's Hessian in the weights with its gradient.

        The gradient is computed for this product alone: where it will be differentiated again, torch computes the
        derivatives of SiLU, Mish and group normalisation by other formulas, whose rounding differs.

        Raises:
            NoUnitsError: There is no layer.
            UndefinedError: A function of the network has no second derivative.
        """
        forward = self._forward()
        weights = require_layers(forward.weights)
        with second_derivatives():
            gradients = differentiate(self._loss(forward.logits), weights, create_graph=True)
            squares = [(gradient.detach() * gradient).sum() for gradient in gradients if gradient is not None]
            total = torch.stack(squares).sum() if squares else forward.logits.new_zeros(())
            products = zeros_for_none(differentiate(total, weights), weights)
        return [(weight.detach(), product) for weight, product in zip(weights, products, strict=True)]

    @computed_once
    def sample_logit_gradients(self) -> list[Tensor]:
        """Return the gradients of each image's summed logits with respect to the weights that the network reads.

        These are the parameters behind the weights of layers, normalisations, embeddings and PReLU, whatever their
        names; biases are not among them. Batch normalisation couples the images: the gradient flows through the
        statistics too.

        Returns:
            One tensor a parameter, ``b x numel``.
        """
        logits, weights = self._forward().logits, self._forward().named_weights
        if not weights:
            raise UndefinedError("the network must have weights; it has none")
        rows = [zeros_for_none(differentiate(row.sum(), weights), weights) for row in logits]
        return [torch.stack(column).flatten(1) for column in zip(*rows, strict=True)]

    def sample_loss_gradients(self) -> Iterator[list[Tensor]]:
        """Yield the gradients of the loss on each image alone: one tensor a weight.

        Raises:
            NoUnitsError: There is no layer.
        """
        for index in range(len(self.minibatch)):
            yield self._gradients_of_some(slice(index, index + 1))

    @computed_once
    def half_gradients(self) -> list[list[Tensor]]:
        """Return the gradients of the loss on each half of the minibatch: two lists with one tensor a weight.

        Raises:
            NoUnitsError: There is no layer.
            UndefinedError: There is only one image.
        """
        half = len(self.minibatch) // 2
        if not half:
            raise UndefinedError("the minibatch must have at least two images to be halved; it has one")
        return [self._gradients_of_some(slice(half)), self._gradients_of_some(slice(half, 2 * half))]

    @computed_once
    def noise_outputs(self) -> list[Tensor]:
        """Return the outputs of ``outputs`` for one image of noise: ``c x *``.

        A second image runs with it; without that, batch normalisation of vectors has no statistics.

        Raises:
            UndefinedError: A layer's first axis is not that of the images, or torch hides the output of a layer.
        """
        forward = self._run(self.minibatch.noise[:2].to(self.minibatch.images), {"outputs"}, "on two images of noise")
        check_recorded(forward.recorder)
        return [split_by_image(out.channels_first(), len(forward.images))[0] for out in forward.recorder.outputs]

    @computed_once
    def linearised(self) -> list[tuple[Tensor, Tensor]]:
        """Return ``linearised_gradients`` without batch normalisation."""
        return linearised_gradients(self.network, self.minibatch.images, normalised=False)

    @computed_once
    def linearised_normalised(self) -> list[tuple[Tensor, Tensor]]:
        """Return ``linearised_gradients`` with batch normalisation."""
        return linearised_gradients(self.network, self.minibatch.images, normalised=True)

    @computed_once
    def _forward(self) -> Forward:
        return self._run(self.minibatch.images, self.parts)

    def _run(self, images: Tensor, parts: Collection[str], where: str = "") -> Forward:
        return run_forward(self.network, images, parts, self._grads_enabled, where)

    def _loss(self, logits: Tensor, images: slice = slice(None)) -> Tensor:
        return loss_of_samples(logits, self.minibatch, images)

    @computed_once
    def _loss_gradients(self) -> tuple[list[Tensor | None], list[Tensor | None], list[Tensor | None]]:
        """Return the gradients of the loss in weights, layers' outputs, and maps and heads; None for none."""
        forward = self._forward()
        layers = forward.recorder.layers if "layer_gradients" in self.parts else []
        outputs = [layer.conv_out.edge for layer in layers]
        products = forward.recorder.products if "attention_gradients" in self.parts else []
        attention = [tensor.edge for product in products for tensor in (product.conv_in, product.conv_out)]
        edges = [*forward.weights, *(edge for edge in (*outputs, *attention) if edge is not None)]
        loss = self._loss(forward.logits)
        gradients = iter(differentiate(loss, edges))
        of_weights = [next(gradients) for _ in forward.weights]
        of_layers, of_attention = (
            [None if edge is None else next(gradients) for edge in part] for part in (outputs, attention)
        )
        return of_weights, of_layers, of_attention

    def _gradients_of_some(self, images: slice) -> list[Tensor]:
        """Return the gradients of the loss on some of the images: one tensor a weight."""
        network = network_of_samples(self.network, images)
        places = range(len(self.minibatch))[images]
        where = f"on image {places[0]} alone" if len(places) == 1 else f"on images {places[0]} to {places[-1]} alone"
        forward = run_forward(network, self.minibatch.images[images], {"weight_gradients"}, self._grads_enabled, where)
        weights = require_layers(forward.weights)
        gradients = differentiate(self._loss(forward.logits, images), weights)
        check_finite("the gradients of the loss", [gradient for gradient in gradients if gradient is not None])
        return zeros_for_none(gradients, weights)
