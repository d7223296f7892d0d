"""Adam for networks of many small tensors.

References:
    [Kingma] Kingma, Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.
    [Loshchilov] Loshchilov, Hutter. Decoupled Weight Decay Regularization. ICLR 2019.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIGNED = 16
"""Every tensor starts at a multiple of so many numbers, as the memory that torch allocates does."""


class Adam:
    """Adam [Kingma], whose numbers equal those of ``torch.optim.Adam`` to the bit if every tensor has a gradient.

    A tensor without a gradient in a step has the gradient 0 here, where ``torch.optim.Adam`` leaves it out of the step.
    The tensors belong to the optimiser that was made last: an earlier one does not change them any more.

    torch's optimiser takes about ten operations for each tensor in a step. Here the tensors become views of one vector
    and their gradients views of another one, so that a step takes ten operations in all.

    Args:
        tensors: Leaf tensors of one type on one device. Those that require no gradient do not change; at least one must
            require one.
        learning_rate: The step size.
        betas: Decay of the means of gradients and of their squares.
        epsilon: Is added to the root of the mean square.
        weight_decay: Weight of the L2 penalty.
        decoupled: Whether the decay shrinks the tensors instead of joining the gradient: AdamW [Loshchilov].

    Attributes:
        tensors: Those that require a gradient. A gradient adds to their ``grad``.
        learning_rate: The step size of the next step.
    """

    def __init__(
        self,
        tensors: Iterable[torch.Tensor],
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        self.tensors = [tensor for tensor in tensors if tensor.requires_grad]
        self.learning_rate = learning_rate
        self._betas, self._epsilon = betas, epsilon
        self._weight_decay, self._decoupled = weight_decay, decoupled
        self._steps = 0
        sizes = [-(-tensor.numel() // _ALIGNED) * _ALIGNED for tensor in self.tensors]
        self._values = self.tensors[0].new_zeros(sum(sizes))
        self._gradients, self._mean, self._square = (torch.zeros_like(self._values) for _ in range(3))
        starts = itertools.accumulate(sizes, initial=0)
        for tensor, start in zip(self.tensors, starts, strict=False):
            place = slice(start, start + tensor.numel())
            values = self._values[place].view_as(tensor)
            values.copy_(tensor.detach())
            tensor.data, tensor.grad = values, self._gradients[place].view_as(tensor)

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        self._gradients.zero_()

    def step(self) -> None:
        """Take one step."""
        self._steps += 1
        first, second = self._betas
        gradients = self._gradients
        if self._weight_decay and self._decoupled:
            self._values.mul_(1 - self.learning_rate * self._weight_decay)
        elif self._weight_decay:
            gradients = gradients.add(self._values, alpha=self._weight_decay)
        self._mean.lerp_(gradients, 1 - first)
        self._square.mul_(second).addcmul_(gradients, gradients, value=1 - second)
        deviation = (self._square.sqrt() / (1 - second**self._steps) ** 0.5).add_(self._epsilon)
        self._values.addcdiv_(self._mean, deviation, value=-(self.learning_rate / (1 - first**self._steps)))
