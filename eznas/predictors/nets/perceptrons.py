"""The training of perceptrons, with gradients by hand: small layers spend most of the time of autograd beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eznas.predictors.nets.adam import Adam
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from eznas.predictors.nets.training import Training


def train_perceptrons(
    networks: Sequence[nn.Sequential],
    x: Tensor,
    y: Tensor,
    training: Training,
    seeds: Sequence[int],
    *,
    squared: bool,
    penalty: float = 0.0,
) -> None:
    """Train perceptrons in place, all at once; up to rounding, each equals one that is trained alone.

    Args:
        networks: ``m`` perceptrons of the same widths: linear layers, all ReLU or all tanh between them, one output.
        x: ``n x f`` features.
        y: ``n`` labels.
        training: The hyper-parameters; the learning rate stays as it is, and no gradient is clipped.
        seeds: Of each network's order of the architectures.
        squared: Whether the loss of a batch is the mean squared error, instead of the mean absolute error.
        penalty: Weight of the mean absolute weight of the output layer in the loss.
    """
    stack = _Stack(networks, training, squared=squared, penalty=penalty)
    generators = [torch_generator(seed, "batches") for seed in seeds]
    with torch.no_grad():
        for _ in range(training.epochs):
            order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
            for chosen in torch.split(order if len(networks) > 1 else order[0], training.batch, dim=-1):
                stack.step(x[chosen], y[chosen])


class _Stack:
    """``m`` perceptrons whose parameters are views of tensors, one for the weights and one for the biases of a layer.

    If ``m`` is 1, all tensors of a step are without the leading axis.
    """

    def __init__(self, networks: Sequence[nn.Sequential], training: Training, *, squared: bool, penalty: float) -> None:
        self._squared, self._penalty = squared, penalty
        self._relu = any(isinstance(layer, nn.ReLU) for layer in networks[0])
        same = [
            [getattr(layer, name) for layer in layers]
            for layers in zip(*(network[::2] for network in networks), strict=True)
            for name in ("weight", "bias")
        ]
        stacked = [torch.stack([parameter.detach() for parameter in members]).requires_grad_() for members in same]
        self._optimiser = Adam(stacked, training.learning_rate, training.betas, weight_decay=training.weight_decay)
        for members, tensor in zip(same, stacked, strict=True):
            for parameter, view in zip(members, tensor.data, strict=True):
                parameter.data = view
        alone = len(networks) == 1
        values, gradients = (
            [tensor[0] if alone else tensor for tensor in tensors]
            for tensors in (
                [tensor.data for tensor in stacked],
                [tensor.grad for tensor in stacked if tensor.grad is not None],
            )
        )
        self._weights, self._weight_gradients, self._bias_gradients = values[::2], gradients[::2], gradients[1::2]
        self._biases = values[1::2] if alone else [bias[:, None] for bias in values[1::2]]
        self._add: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.addmm if alone else torch.baddbmm
        self._product: Any = torch.mm if alone else torch.bmm

    def step(self, x: Tensor, y: Tensor) -> None:
        """Take a step along the gradient of the loss of a batch; ``x`` is ``m x b x f`` and ``y`` is ``m x b``."""
        inputs = [x]
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            values = self._add(bias, inputs[-1], weight.mT)
            inputs.append(values.relu_() if self._relu else values.tanh_())
        error = self._add(self._biases[-1], inputs[-1], self._weights[-1].mT) - y[..., None]
        gradient = (2 * error if self._squared else error.sign()) * (1 / y.shape[-1])
        for place in range(len(inputs) - 1, -1, -1):
            torch.sum(gradient, -2, out=self._bias_gradients[place])
            self._product(gradient.mT, inputs[place], out=self._weight_gradients[place])
            if place:
                gradient = self._through(self._product(gradient, self._weights[place]), inputs[place])
        if self._penalty:
            self._weight_gradients[-1] += self._weights[-1].sign() * (self._penalty / self._weights[-1].shape[-1])
        self._optimiser.step()

    def _through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient of an activation's input, from that of its output and the output."""
        operations: Any = torch.ops.aten
        passed: Tensor = (
            operations.threshold_backward(gradient, values, 0)
            if self._relu
            else operations.tanh_backward(gradient, values)
        )
        return passed
