"""Undoes what somebody's measure did to a network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from eznas.capture import preserved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["undone"]


@contextlib.contextmanager
def undone(network: nn.Module) -> Iterator[None]:
    """Run the block as ``preserved`` does, and restore the parameters, their values and their gradients too.

    The random state of NumPy is restored as well. Inside there are no gradients yet. It copies the parameters, which
    measures that write to none need not pay for.

    Raises:
        RecordError: See ``preserved``.
    """
    modules = [(module, dict(module._parameters)) for module in network.modules()]  # noqa: SLF001
    held = [(one, one.data, one.data.clone(), one.requires_grad, one.grad) for one in network.parameters()]
    drawn = np.random.get_state()  # noqa: NPY002 - the global one, which somebody's measure may use
    with preserved(network):
        try:
            for parameter, *_ in held:
                parameter.grad = None  # backward passes would add to it
            yield
        finally:
            np.random.set_state(drawn)  # noqa: NPY002
            for module, named in modules:
                module._parameters.clear()  # noqa: SLF001
                module._parameters.update(named)  # noqa: SLF001
            for parameter, data, values, needs, gradient in held:
                parameter.data = data.copy_(values)
                parameter.requires_grad_(needs)
                parameter.grad = gradient
