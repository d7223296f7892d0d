"""The training of perceptrons, with gradients by hand: small layers spend most of the time of autograd beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from eznas.predictors.nets.adam import Adam
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Train perceptrons in place, all at once; each equals one that is trained alone.

    Args:
        networks: ``m`` perceptrons of the same widths: linear layers, all ReLU or all tanh between them, one output.
        x: ``n x f`` features.
        y: ``n`` labels.
        training: The hyper-parameters; the learning rate stays as it is, and no gradient is clipped.
        seeds: Of each network's order of the architectures.
        squared: Whether the loss of a batch is the mean squared error, instead of the mean absolute error.
        penalty: Weight of the mean absolute weight of the output layer in the loss.
    """
    stack = _Stack(networks, squared=squared, penalty=penalty)
    optimiser = Adam(stack.tensors, training.learning_rate, training.betas, weight_decay=training.weight_decay)
    stack.share(networks)
    generators = [torch_generator(seed, "batches") for seed in seeds]
    with torch.no_grad():
        for _ in range(training.epochs):
            order = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
            for chosen in torch.split(order if len(networks) > 1 else order[0], training.batch, dim=-1):
                stack.backward(x[chosen], y[chosen])
                optimiser.step()


class _Stack:
    """The layers of ``m`` perceptrons, each as one tensor; without the leading axis if ``m`` is 1."""

    def __init__(self, networks: Sequence[nn.Sequential], *, squared: bool, penalty: float) -> None:
        layers = list(zip(*(network[::2] for network in networks), strict=True))
        self.tensors = [
            torch.stack([getattr(layer, name).detach() for layer in members]).requires_grad_()
            for members in layers
            for name in ("weight", "bias")
        ]
        self._squared, self._penalty = squared, penalty
        self._relu = isinstance(networks[0][1], nn.ReLU)

    def share(self, networks: Sequence[nn.Sequential]) -> None:
        """Make the parameters of the networks views of the tensors, which an optimiser has moved."""
        alone = len(networks) == 1
        places = iter(self.tensors)
        for members in zip(*(network[::2] for network in networks), strict=True):
            for name in ("weight", "bias"):
                tensor = next(places)
                for layer, values in zip(members, tensor.data, strict=True):
                    getattr(layer, name).data = values
        pairs = [(part.data[0], part.grad[0]) if alone else (part.data, part.grad) for part in self.tensors]  # type: ignore[index]
        self._weights, self._biases = pairs[::2], pairs[1::2]
        self._add, self._product = (torch.addmm, torch.mm) if alone else (torch.baddbmm, torch.bmm)
        self._added = [bias if alone else bias[:, None] for bias, _ in self._biases]

    def backward(self, x: Tensor, y: Tensor) -> None:
        """Write the gradients of the loss of a batch; ``x`` is ``m x b x f`` and ``y`` is ``m x b``."""
        inputs = [x]
        for (weight, _), bias in zip(self._weights[:-1], self._added[:-1], strict=True):
            values = self._add(bias, inputs[-1], weight.mT)
            inputs.append(values.relu_() if self._relu else values.tanh_())
        output = self._add(self._added[-1], inputs[-1], self._weights[-1][0].mT)
        error = output - y[..., None]
        gradient = (2 * error if self._squared else error.sign()) * (1 / y.shape[-1])
        places = range(len(inputs) - 1, -1, -1)
        for place in places:
            weight, of_weight = self._weights[place]
            torch.sum(gradient, -2, out=self._biases[place][1])
            self._product(gradient.mT, inputs[place], out=of_weight)
            if place:
                gradient = self._through(self._product(gradient, weight), inputs[place])
        if self._penalty:
            weight, of_weight = self._weights[-1]
            of_weight += weight.sign() * (self._penalty / weight.shape[-1])

    def _through(self, gradient: Tensor, values: Tensor) -> Tensor:
        """Return the gradient of an activation's input, from that of its output and the output."""
        operations: Any = torch.ops.aten
        passed: Tensor = (
            operations.threshold_backward(gradient, values, 0)
            if self._relu
            else operations.tanh_backward(gradient, values)
        )
        return passed
