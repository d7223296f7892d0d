"""Restores a network after a measure of a user has run on it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.capture import fork_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextlib.contextmanager
def restore_network(network: nn.Module) -> Iterator[None]:
    """Run the block in ``fork_state``, and restore attributes, hooks, parameters, their values and their gradients too.

    The random state of NumPy is fixed and restored as well. Gradients are None when the block begins. Parameters are
    copied; ``fork_state`` avoids that cost for measures that do not change them.

    Raises:
        RecordError: See ``fork_state``.
    """
    modules = [(module, dict(vars(module)), _dictionaries(module)) for module in network.modules()]
    parameters = [
        (parameter, parameter.data, parameter.data.clone(), parameter.requires_grad, parameter.grad)
        for parameter in network.parameters()
    ]
    numpy_state = np.random.get_state()  # noqa: NPY002 - the global one, which a user's measure may use
    with fork_state(network):
        try:
            np.random.seed(0)  # noqa: NPY002
            for parameter, *_ in parameters:
                parameter.grad = None  # backward passes would add to it
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            for module, attributes, dictionaries in modules:
                vars(module).clear()
                vars(module).update(attributes)
                for name, items in dictionaries.items():
                    attributes[name].clear()
                    attributes[name].update(items)
            for parameter, data, values, requires_grad, gradient in parameters:
                parameter.data = data.copy_(values)
                parameter.requires_grad_(requires_grad)
                parameter.grad = gradient


def _dictionaries(module: nn.Module) -> dict[str, dict[Any, Any]]:
    """Return copies of the attributes that are dictionaries: among them parameters, buffers, modules and hooks."""
    return {name: dict(value) for name, value in vars(module).items() if isinstance(value, dict)}
