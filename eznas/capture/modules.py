"""The modules, parameters and buffers of a network in a single walk each.

They equal torch's ``named_modules``, ``named_parameters`` and ``buffers``, whose nested generators take several times
as long on networks of many small modules.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def modules_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the path and the module of every module, each once, a module before its children."""
    named: list[tuple[str, nn.Module]] = []
    seen: set[int] = set()
    pending = [("", network)]
    while pending:
        path, module = pending.pop()
        if id(module) not in seen:
            seen.add(id(module))
            named.append((path, module))
            below = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
            pending += reversed(below)
    return named


def parameters_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return every parameter once, by its first path."""
    named: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for path, module in modules_of(network):
        for name, parameter in module._parameters.items():  # noqa: SLF001 - those of the module alone
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                named[f"{path}.{name}" if path else name] = parameter
    return named


def buffers_of(network: nn.Module) -> list[Tensor]:
    """Return every buffer once."""
    buffers: dict[int, Tensor] = {}
    for _, module in modules_of(network):
        for buffer in module._buffers.values():  # noqa: SLF001 - those of the module alone
            if buffer is not None:
                buffers.setdefault(id(buffer), buffer)
    return list(buffers.values())
