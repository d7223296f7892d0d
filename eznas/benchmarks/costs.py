"""Parameters of networks, and operations of a forward pass as different benchmarks count them.

Networks are built without values, and their layers pass on shapes instead of computing.

References:
    [NB201] Dong, Yang. NAS-Bench-201. ICLR 2020.
    [Macro] Su et al. Prioritized Architecture Sampling with Monto-Carlo Tree Search. CVPR 2021.
    [THOP] Zhu. THOP: PyTorch-OpCounter. github.com/Lyken17/pytorch-OpCounter, with which Accel-NASBench counts.
    [TW] Shah. TensorWatch. github.com/microsoft/tensorwatch, with which NASLib counts.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.benchmarks.transformer_costs import autoformer_operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eznas.spaces import SearchSpace


CLASSES = {
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
    "imagenet16-120": 120,
    "imagenet": 1000,
    "class_scene": 63,
    "class_object": 100,
}
"""Classes of the data sets whose networks are built; the other tasks of TransNAS-Bench-101 have other heads."""

_FILLING = ("kaiming_uniform_", "uniform_", "normal_", "trunc_normal_", "ones_", "zeros_")
"""The functions of ``torch.nn.init`` that constructors call."""


@contextmanager
def without_values() -> Iterator[None]:
    """Build networks with parameters without values, three times as fast.

    No layer draws random numbers, and Python's garbage collector, which takes a third of the time, pauses. Both hold
    for the whole process: networks that other threads build meanwhile have no values either.
    """
    filling, collecting = {name: getattr(nn.init, name) for name in _FILLING}, gc.isenabled()
    gc.disable()
    try:
        for name in _FILLING:
            setattr(nn.init, name, _left_empty)
        yield
    finally:
        for name, function in filling.items():
            setattr(nn.init, name, function)
        if collecting:
            gc.enable()


def _left_empty(tensor: Tensor, *_: object, **__: object) -> Tensor:
    return tensor


def build_without_values(space: SearchSpace, architecture: str, fidelity: str, dataset: str) -> nn.Module:
    """Return the network of an architecture for a data set in ``CLASSES``; its parameters have no values."""
    with without_values():
        return space.build(architecture, space.fidelities[fidelity], CLASSES[dataset])


def parameters(network: nn.Module) -> int:
    """Return the number of all parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def _products(layer: nn.Module, _x: Tensor, out: Tensor) -> int:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return out.numel() * layer.weight[0].numel()
    return 0


def _products_and_biases(layer: nn.Module, x: Tensor, out: Tensor) -> int:
    products = _products(layer, x, out)
    return products + (out.numel() if products and layer.bias is not None else 0)


def _every_layer_unpooled(layer: nn.Module, x: Tensor, out: Tensor) -> int:
    return 0 if isinstance(layer, nn.AdaptiveAvgPool2d) else _every_layer(layer, x, out)


def _every_layer(layer: nn.Module, x: Tensor, out: Tensor) -> int:
    if isinstance(layer, nn.BatchNorm2d):
        return x.numel() * (2 if layer.affine else 1)
    if isinstance(layer, nn.ReLU):
        return x.numel()
    if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d):
        size = layer.kernel_size
        height, width = size if isinstance(size, tuple) else (size, size)
        return out.numel() * height * width
    if isinstance(layer, nn.AdaptiveAvgPool2d):  # to one pixel; the tool counts one row and one column too many
        return out.numel() * (x.shape[-2] + 1) * (x.shape[-1] + 1)
    if isinstance(layer, nn.Conv2d):
        return _products_and_biases(layer, x, out)
    return _products(layer, x, out)


def _products_and_norms(layer: nn.Module, x: Tensor, out: Tensor) -> int:
    if isinstance(layer, nn.BatchNorm2d):
        return x.numel() * (4 if layer.affine else 2)
    if isinstance(layer, nn.AdaptiveAvgPool2d):  # to one pixel
        return out.numel() * (x[0, 0].numel() + 1)
    return _products(layer, x, out)


COUNTS: dict[str, Callable[[nn.Module, Tensor, Tensor], int]] = {
    "products": _products,
    "products_and_biases": _products_and_biases,
    "products_and_norms": _products_and_norms,
    "every_layer": _every_layer,
    "every_layer_unpooled": _every_layer_unpooled,
}
"""Counts the operations of a layer, given its input and its output:

- ``products``: products of convolutions and linear layers; [Macro].
- ``products_and_biases``: products, and one addition for each output with a bias; [NB201].
- ``products_and_norms``: products; 4 for each input of a batch normalisation with weights, 2 without; ``h w + 1`` for
  each output of global pooling; [THOP].
- ``every_layer``: products; additions of biases in convolutions, not in linear layers; 2 for each input of a batch
  normalisation with weights, 1 without; 1 for each input of a ReLU; for each output of a pooling the size of its
  kernel, and of global pooling ``(h + 1)(w + 1)``; [TW].
- ``every_layer_unpooled``: the same without the global pooling, which NASLib's NAS-Bench-101 does outside of a layer.
"""


def operations(network: nn.Module, pixels: int, counted: str) -> float:
    """Return the operations of a forward pass of one image.

    Convolutions, linear layers, normalisations and activations compute nothing meanwhile; their values do not matter.

    Args:
        network: A network on the CPU; it is in evaluation mode afterwards.
        pixels: Height and width of the image.
        counted: A name in ``COUNTS``, or ``"autoformer"``, see ``eznas.benchmarks.transformer_costs``.
    """
    if counted == "autoformer":
        return autoformer_operations(network)
    count, total = COUNTS[counted], 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        total += count(layer, inputs[0], out)

    leaves = [layer for layer in network.modules() if next(layer.children(), None) is None]
    shaped = [(layer, shape) for layer in leaves for kind, shape in _SHAPES if isinstance(layer, kind)]
    handles = [layer.register_forward_hook(add) for layer in leaves]
    try:
        for layer, shape in shaped:
            layer.forward = partial(shape, layer)
        with torch.no_grad():
            network.eval()(torch.empty((1, 3, pixels, pixels)))
    finally:
        for handle in handles:
            handle.remove()
        for layer, _ in shaped:
            del layer.forward
    return total


def _convolved(layer: nn.Conv2d, x: Tensor) -> Tensor:
    padding = (0, 0) if layer.padding == "valid" else layer.padding
    if isinstance(padding, str):  # the other word is "same"
        size = list(x.shape[-2:])
    else:
        size = [
            (pixels + 2 * around - apart * (kernel - 1) - 1) // step + 1
            for pixels, around, apart, kernel, step in zip(
                x.shape[-2:], padding, layer.dilation, layer.kernel_size, layer.stride, strict=True
            )
        ]
    return x.new_empty((len(x), layer.out_channels, *size))


def _mapped(layer: nn.Linear, x: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:-1], layer.out_features))


def _kept(_layer: nn.Module, x: Tensor) -> Tensor:
    return x


_SHAPES: tuple[tuple[type[nn.Module], Callable[..., Tensor]], ...] = (
    (nn.Conv2d, _convolved),
    (nn.Linear, _mapped),
    (nn.BatchNorm2d, _kept),
    (nn.ReLU, _kept),
    (nn.SiLU, _kept),
)
"""For kinds of layers, a function that returns a tensor of the output's shape."""
