"""Runs a network in a fixed random state and restores its state afterwards.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import contextlib
import random
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.capture.record import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def fork_state(network: nn.Module) -> Iterator[None]:
    """Run the block with random generators of a fixed seed, and restore the state of the network and the generators.

    This is ``torch.random.fork_rng`` for a network: on exit, also after an exception, the training flags, the
    buffers (which exist, which tensors they are, and their values) and the random states of torch and Python are
    those from before the block. Parameters are not restored. Inside the block, a ``torch.inference_mode`` of the
    caller is off and compiled modules run eagerly, so that torch function modes record their calls.

    Raises:
        RecordError: The network was built under ``torch.inference_mode``, or is TorchScript.
    """
    uncompiled(network)
    flags = [(module, module.training) for module in network.modules()]
    # named_buffers, and setting a flag that is set already, would take longer than all the rest
    modules = [
        (module, dict(module._buffers), set(module._non_persistent_buffers_set))  # noqa: SLF001
        for module, _ in flags
    ]
    buffers = [
        (buffer, buffer.detach().clone()) for _, named, _ in modules for buffer in named.values() if buffer is not None
    ]
    for tensor in (next(network.parameters(), None), *(buffer for buffer, _ in buffers)):
        if tensor is not None and tensor.is_inference():
            raise RecordError("the network must be built outside torch.inference_mode, which forbids gradients")
    device = device_of(network)
    devices = [device] if device.type == "cuda" else []
    python_state = random.getstate()
    compiled = "torch._dynamo" in sys.modules  # which takes seconds to import
    eager = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
    try:
        with torch.inference_mode(mode=False), torch.random.fork_rng(devices), eager:
            random.seed(0)
            torch.default_generator.manual_seed(0)
            for cuda in devices:
                with torch.cuda.device(cuda):
                    torch.cuda.manual_seed(0)
            yield
    finally:
        random.setstate(python_state)
        for module, training in flags:
            if module.training != training:
                module.training = training
        with torch.no_grad():
            for module, named, non_persistent in modules:
                now = module._buffers  # noqa: SLF001
                if now.keys() != named.keys() or any(now[name] is not buffer for name, buffer in named.items()):
                    now.clear()
                    now.update(named)
                    module._non_persistent_buffers_set = non_persistent  # noqa: SLF001
            for buffer, value in buffers:
                if 0 not in buffer.stride():  # an expanded buffer cannot be written to
                    buffer.copy_(value)


@contextlib.contextmanager
def replaced(network: nn.Module, tensors: Mapping[int, Tensor]) -> Iterator[None]:
    """Run the block with other tensors in place of parameters and buffers, wherever the network holds these.

    Args:
        network: Its own tensors are back in place afterwards.
        tensors: The other tensors, by the identity of the parameters and buffers that they replace.
    """
    held: list[tuple[dict[str, Any], dict[str, Any]]] = []
    flat: list[tuple[nn.Module, Any]] = []
    try:
        for module in network.modules():
            tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)  # noqa: SLF001
            for named in tables:
                held.append((named, dict(named)))
                named.update({name: tensors.get(id(tensor), tensor) for name, tensor in named.items()})
            if isinstance(module, nn.RNNBase):  # which keeps a second list of its parameters
                flat.append((module, module._flat_weights))  # noqa: SLF001
                module._flat_weights = [tensors.get(id(tensor), tensor) for tensor in module._flat_weights]  # noqa: SLF001
        yield
    finally:
        for named, before in held:
            named.clear()
            named.update(before)
        for module, weights in flat:
            module._flat_weights = weights  # noqa: SLF001


def uncompiled(network: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` wrapped; any other module is returned as it is.

    Raises:
        RecordError: The network, or a part of it, is TorchScript.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise RecordError(
            "the network must be an eager torch.nn.Module, not TorchScript; pass the module that was scripted"
        )
    original: nn.Module = getattr(network, "_orig_mod", network)
    return original


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the network's first parameter; the CPU for a network without parameters."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
