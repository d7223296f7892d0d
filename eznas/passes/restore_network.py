"""Restores a network after a measure of a user has run on it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from eznas.capture import fork_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextlib.contextmanager
def restore_network(network: nn.Module) -> Iterator[None]:
    """Run the block in ``fork_state``, and restore the values and the gradients of parameters too.

    Gradients are None when the block begins. Parameters are copied; ``fork_state`` avoids that cost for measures that
    do not change them.

    Raises:
        RecordError: See ``fork_state``.
    """
    parameters = [
        (parameter, parameter.data, parameter.data.clone(), parameter.requires_grad, parameter.grad)
        for parameter in network.parameters()
    ]
    with fork_state(network):
        try:
            for parameter, *_ in parameters:
                parameter.grad = None  # backward passes would add to it
            yield
        finally:
            for parameter, data, values, requires_grad, gradient in parameters:
                parameter.data = data.copy_(values)
                parameter.requires_grad_(requires_grad)
                parameter.grad = gradient
