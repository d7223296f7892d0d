"""Runs a network in a fixed random state and restores its state afterwards.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import contextlib
import random
import sys
from typing import TYPE_CHECKING, Any

import torch
import torch.fx
import torch.utils.checkpoint
from torch import Tensor, nn

from eznas.capture.attributes import Attributes, reachable_modules
from eznas.capture.call import RecordError
from eznas.capture.modules import buffers_of, modules_of, parameters_of
from eznas.errors import NETWORK_FAILURES, EznasError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class NetworkState:
    """The attributes of a network's modules and the values of its buffers at one moment.

    Args:
        network: The network.

    Raises:
        RecordError: The network was built under ``torch.inference_mode``.
    """

    def __init__(self, network: nn.Module) -> None:
        self._attributes = Attributes(network)
        self._buffers = [(buffer, buffer.detach().clone()) for buffer in buffers_of(network)]
        for tensor in (next(network.parameters(), None), *(buffer for buffer, _ in self._buffers)):
            if tensor is not None and tensor.is_inference():
                raise RecordError("the network must be built outside torch.inference_mode, which forbids gradients")

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the attributes, each the same object as it was, and the values of the buffers."""
        self._attributes.restore()
        for buffer, value in self._buffers:
            if 0 not in buffer.stride():  # an expanded buffer cannot be written to
                buffer.copy_(value)


@contextlib.contextmanager
def fork_state(network: nn.Module, state: NetworkState | None = None) -> Iterator[None]:
    """Run the block with random generators of a fixed seed, and restore the state of the network and the generators.

    This is ``torch.random.fork_rng`` for a network: on exit, also after an exception, the attributes of its modules
    (see ``Attributes``), the buffers (which exist, which tensors they are, and their values) and the random states of
    torch, Python and NumPy are those from before the block. Parameters are not restored. Inside the block, a
    ``torch.inference_mode`` of the caller is off, compiled modules run eagerly, so that torch function modes record
    their calls, and ``torch.utils.checkpoint`` runs its function without checkpointing, which would hide the graph.

    Args:
        network: The network.
        state: Its present state, where several blocks follow each other; None to copy it.

    Raises:
        RecordError: The network was built under ``torch.inference_mode``, or is TorchScript.
    """
    if state is None:
        uncompiled(network)
        state = NetworkState(network)
    compiled = "torch._dynamo" in sys.modules  # which takes seconds to import
    eager = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
    try:
        with torch.inference_mode(mode=False), fixed_random(device_of(network)), eager, _without_checkpoints():
            yield
    finally:
        state.restore()


@contextlib.contextmanager
def fixed_random(device: torch.device) -> Iterator[None]:
    """Run the block with the generators of torch, Python and NumPy at a fixed seed, and restore their states.

    See ``full_precision`` for the arithmetic in the block.
    """
    devices = [device] if device.type == "cuda" else []
    numpy = sys.modules.get("numpy")
    numpy_state = numpy.random.get_state() if numpy else None
    python_state = random.getstate()
    try:
        with torch.random.fork_rng(devices), full_precision(device):
            random.seed(0)
            if numpy:
                numpy.random.seed(0)
            torch.default_generator.manual_seed(0)
            for cuda in devices:
                with torch.cuda.device(cuda):
                    torch.cuda.manual_seed(0)
            yield
    finally:
        random.setstate(python_state)
        if numpy:
            numpy.random.set_state(numpy_state)


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Run the block on CUDA with all 23 bits of float32 and deterministic algorithms of cuDNN; elsewhere, as it is.

    By default, convolutions on CUDA round their inputs to TensorFloat-32, which has 10 bits.
    """
    if device.type != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    settings: list[tuple[Any, str, object]] = [(cudnn, "benchmark", False), (cudnn, "deterministic", True)]
    if hasattr(matmul, "fp32_precision"):  # torch 2.9 and later, which refuse to mix these settings with the older ones
        settings += [(place, "fp32_precision", "ieee") for place in (matmul, cudnn.conv, cudnn.rnn)]
    else:
        settings += [(place, "allow_tf32", False) for place in (matmul, cudnn)]
    before = [getattr(place, name) for place, name, _ in settings]
    try:
        for place, name, value in settings:
            setattr(place, name, value)
        yield
    finally:
        for (place, name, _), value in zip(settings, before, strict=True):
            setattr(place, name, value)


@contextlib.contextmanager
def running(where: str) -> Iterator[None]:
    """Raise exceptions of the network in the block as ``RecordError``, which says where the network runs.

    Exceptions of eznas stay as they are.

    Args:
        where: Where it runs, such as ``"on noise"``; empty to leave all exceptions as they are.
    """
    try:
        yield
    except (RecordError, EznasError):
        raise
    except NETWORK_FAILURES as error:
        if not where:
            raise
        reason = str(error).partition("\n")[0]
        raised = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        raise RecordError(f"the network must run {where}; it raises {raised}") from error


@contextlib.contextmanager
def running_backward(device: torch.device) -> Iterator[None]:
    """Run a backward pass in the block, where functions that draw numbers draw the same ones each time.

    Raises:
        RecordError: The backward pass raises.
    """
    with running("backward"), fixed_random(device):
        yield


class _Unchecked:
    """Stands for the autograd function of re-entrant checkpoints."""

    @staticmethod
    def apply(function: Callable[..., Any], _: bool, *args: Any) -> Any:
        """Run the function as if there were no checkpoint."""
        return function(*args)


def _no_hooks(*_: Any, **__: Any) -> Iterator[None]:
    """Stands for the hooks around the function of a checkpoint."""
    yield


@contextlib.contextmanager
def _without_checkpoints() -> Iterator[None]:
    module: Any = torch.utils.checkpoint
    before = module.CheckpointFunction, module._checkpoint_without_reentrant_generator  # noqa: SLF001
    module.CheckpointFunction, module._checkpoint_without_reentrant_generator = _Unchecked, _no_hooks  # noqa: SLF001
    try:
        yield
    finally:
        module.CheckpointFunction, module._checkpoint_without_reentrant_generator = before  # noqa: SLF001


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
        for module in reachable_modules(network):
            tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)  # noqa: SLF001
            for named in tables:
                held.append((named, dict(named)))
                named.update({name: tensors.get(id(tensor), tensor) for name, tensor in named.items()})
            if isinstance(module, nn.RNNBase):  # which keeps a second list of its parameters
                flat.append((module, module._flat_weights))  # noqa: SLF001
                own = module._flat_weights  # noqa: SLF001
                module._flat_weights = [tensors.get(id(one), one) for one in own]  # noqa: SLF001
        yield
    finally:
        for named, before in held:
            named.clear()
            named.update(before)
        for module, weights in flat:
            module._flat_weights = weights  # noqa: SLF001


def uncompiled(network: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` or ``nn.DataParallel`` wrapped; any other module is returned as it is.

    Raises:
        RecordError: The network, or a part of it, is TorchScript or exported, has parameters on the meta device, or has
            lazy parameters.
    """
    for _, module in modules_of(network):
        if isinstance(module, torch.jit.ScriptModule):
            raise RecordError(
                "the network must be an eager torch.nn.Module, not TorchScript; pass the module that was scripted"
            )
        graph = getattr(module, "graph", None)
        targets = [node.target for node in graph.nodes] if isinstance(graph, torch.fx.Graph) else []
        if any(isinstance(target, torch._ops.OpOverload) for target in targets):  # noqa: SLF001
            raise RecordError(
                "the network must be an eager torch.nn.Module, not one of torch.export; pass the module that was "
                "exported"
            )
    for name, parameter in parameters_of(network).items():
        if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
            raise RecordError(f"the network must have run once, so that its lazy parameter {name} has a shape")
        if parameter.is_meta:
            raise RecordError(f"the network's parameters must have values; {name} is on the meta device")
    original: nn.Module = getattr(network, "_orig_mod", network)
    return original.module if isinstance(original, nn.DataParallel) else original


def dtype_of(network: nn.Module) -> torch.dtype:
    """Return the data type of the network's first floating parameter; float32 for a network without one."""
    return next((parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()), torch.float32)


def device_of(network: nn.Module) -> torch.device:
    """Return the device of the network's first parameter; the CPU for a network without parameters."""
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
