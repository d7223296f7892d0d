"""Leaves a network as it was found."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import torch

from eznas.capture.record import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

__all__ = ["STANDALONE", "device_of", "preserved"]


@contextlib.contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Run the block in a fixed random state and undo what it leaves behind, also where it raises.

    Restored are the modules' training flags, the buffers (which tensors they are, and their values), and the
    random states of torch and of Python. A network that draws random numbers draws the same ones every time.
    A ``torch.inference_mode`` of the caller does not apply inside.

    Raises:
        RecordError: The network was built under ``torch.inference_mode``.
    """
    flags = [(module, module.training) for module in network.modules()]
    buffers = [  # named_buffers, and setting a flag that is set already, would take longer than all the rest
        (module, name, buffer, buffer.detach().clone())
        for module, _ in flags
        for name, buffer in module._buffers.items()  # noqa: SLF001
        if buffer is not None
    ]
    for tensor in (next(network.parameters(), None), *(buffer for _, _, buffer, _ in buffers)):
        if tensor is not None and tensor.is_inference():
            raise RecordError("the network must be built outside torch.inference_mode, which forbids gradients")
    device = device_of(network)
    devices = [device] if device.type == "cuda" else []
    state = random.getstate()
    try:
        with torch.inference_mode(mode=False), torch.random.fork_rng(devices):
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
            for module, name, buffer, value in buffers:
                if getattr(module, name) is not buffer:
                    setattr(module, name, buffer)
                if 0 not in buffer.stride():  # an expanded one cannot be written to
                    buffer.copy_(value)


def device_of(network: nn.Module) -> torch.device:
    """Return where the network's first parameter lives; the CPU for a network without parameters."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


STANDALONE = (preserved, device_of)
"""What an exported proxy inlines, in order."""
