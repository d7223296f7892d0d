"""Leaves a network as it was found."""

from __future__ import annotations

import contextlib
import random
import sys
from typing import TYPE_CHECKING

import torch

from eznas.capture.record import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["device_of", "eager", "preserved"]


@contextlib.contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Run the block in a fixed random state and undo what it leaves behind, also where it raises.

    Restored are the modules' training flags, the buffers (which there are, None among them, which tensors they
    are, and their values), and the random states of torch and of Python. A network that draws random numbers
    draws the same ones every time. A ``torch.inference_mode`` of the caller does not apply inside, and what
    ``torch.compile`` compiled runs as it was written, in sight of torch's function modes.

    Raises:
        RecordError: The network was built under ``torch.inference_mode``, or is TorchScript.
    """
    eager(network)
    flags = [(module, module.training) for module in network.modules()]
    # named_buffers, and setting a flag that is set already, would take longer than all the rest
    held = [
        (module, dict(module._buffers), set(module._non_persistent_buffers_set))  # noqa: SLF001
        for module, _ in flags
    ]
    buffers = [
        (buffer, buffer.detach().clone()) for _, named, _ in held for buffer in named.values() if buffer is not None
    ]
    for tensor in (next(network.parameters(), None), *(buffer for buffer, _ in buffers)):
        if tensor is not None and tensor.is_inference():
            raise RecordError("the network must be built outside torch.inference_mode, which forbids gradients")
    device = device_of(network)
    devices = [device] if device.type == "cuda" else []
    state = random.getstate()
    compiled = "torch._dynamo" in sys.modules  # which takes seconds to import
    as_written = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
    try:
        with torch.inference_mode(mode=False), torch.random.fork_rng(devices), as_written:
            random.seed(0)
            torch.default_generator.manual_seed(0)
            for cuda in devices:
                with torch.cuda.device(cuda):
                    torch.cuda.manual_seed(0)
            yield
    finally:
        random.setstate(state)
        for module, training in flags:
            if module.training != training:
                module.training = training
        with torch.no_grad():
            for module, named, passing in held:
                now = module._buffers  # noqa: SLF001
                if now.keys() != named.keys() or any(now[name] is not buffer for name, buffer in named.items()):
                    now.clear()
                    now.update(named)
                    module._non_persistent_buffers_set = passing  # noqa: SLF001
            for buffer, value in buffers:
                if 0 not in buffer.stride():  # an expanded one cannot be written to
                    buffer.copy_(value)


def eager(network: nn.Module) -> nn.Module:
    """Return the network that ``torch.compile`` wrapped; any other is returned as it is.

    Raises:
        RecordError: It is TorchScript, or part of it is.
    """
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise RecordError(
            "the network must be an eager torch.nn.Module, not TorchScript; pass the module it was made of"
        )
    original: nn.Module = getattr(network, "_orig_mod", network)
    return original


def device_of(network: nn.Module) -> torch.device:
    """Return where the network's first parameter lives; the CPU for a network without parameters."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
