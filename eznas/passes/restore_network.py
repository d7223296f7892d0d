"""Undoes what somebody's measure did to a network."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.capture import preserved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["restore_network"]


@contextlib.contextmanager
def restore_network(network: nn.Module) -> Iterator[None]:
    """Run the block as ``preserved`` does, and restore attributes, hooks, parameters, their values and gradients too.

    The random state of NumPy is fixed inside and restored as well. Inside there are no gradients yet. It copies the
    parameters, which measures that write to none need not pay for.

    Raises:
        RecordError: See ``preserved``.
    """
    modules = [(module, dict(vars(module)), _contents(module)) for module in network.modules()]
    held = [(one, one.data, one.data.clone(), one.requires_grad, one.grad) for one in network.parameters()]
    drawn = np.random.get_state()  # noqa: NPY002 - the global one, which somebody's measure may use
    with preserved(network):
        try:
            np.random.seed(0)  # noqa: NPY002
            for parameter, *_ in held:
                parameter.grad = None  # backward passes would add to it
            yield
        finally:
            np.random.set_state(drawn)  # noqa: NPY002
            for module, attributes, contents in modules:
                vars(module).clear()
                vars(module).update(attributes)
                for name, content in contents.items():
                    attributes[name].clear()
                    attributes[name].update(content)
            for parameter, data, values, needs, gradient in held:
                parameter.data = data.copy_(values)
                parameter.requires_grad_(needs)
                parameter.grad = gradient


def _contents(module: nn.Module) -> dict[str, dict[Any, Any]]:
    """Return what the attributes that are dictionaries hold: parameters, buffers, modules and hooks among them."""
    return {name: dict(value) for name, value in vars(module).items() if isinstance(value, dict)}
