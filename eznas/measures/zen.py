"""Sensitivity of a network's features to its input, with standard normal weights.

References:
    [ZEN] Lin, Wang, Sun, Chen, Sun, Qian, Li, Jin. Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition.
        ICCV 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.capture.state import device_of
from eznas.errors import UndefinedError
from eznas.measures import register_measure
from eznas.passes.functional_params import FunctionalRecorder, run_with_params
from eznas.passes.layers import layers_of
from eznas.passes.sizes import DOUBLE, WEIGHT
from eznas.passes.weights import LAYERS
from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from eznas.minibatch import Minibatch
    from eznas.passes.layers import Layers


_STEP = 0.01
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)


@register_measure(
    paper="Lin et al., Zen-NAS, ICCV 2021",
    formula="log(m) + (sum of log s over batch normalisations). m is the mean of c over images. c is the sum of the "
    "absolute entries of f(x) - f(x + 0.01 e), where f(x) are the last feature maps for the image x. s^2 is the "
    "mean, over the channels of the normalisation's input, of the variance of a channel. x, e and the weights are "
    "drawn from a standard normal distribution",
    needs=["forward", "noise"],
    seconds=lambda sizes: 2 * sizes.forward(precision=DOUBLE) + 10 * sizes.weights * WEIGHT,
    reference="tau .296/.283/.303 on NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120)",
)
def zen(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the logarithm of the Zen-score, in float64.

    The features are the last maps of more than one position, or else the input of the last linear layer. Skip
    connections are kept, as in the released code; the paper removes them. The variances are those of the batch ``x``;
    the released code reads running averages. Each weight is drawn from the seed of the minibatch and its own name.

    Raises:
        UndefinedError: The features do not change with the input.
    """
    device = device_of(network)
    parameters = gaussian_parameters(network, minibatch.seed, layers_of(network, minibatch.images))
    images = minibatch.noise.to(device, torch.float64)
    generator = torch_generator(minibatch.seed, "zen", "step")
    step = torch.randn(images.shape, generator=generator).to(device, torch.float64)
    with torch.no_grad():
        first, scale = _features(network, parameters, images)
        second, _ = _features(network, parameters, images + _STEP * step)
    change = float((first - second).abs().flatten(1).sum(1).mean().log())
    if change == -torch.inf:
        raise UndefinedError("the network's features must change with its input; they do not")
    return change + scale


def _features(network: nn.Module, parameters: dict[str, Tensor], images: Tensor) -> tuple[Tensor, float]:
    recorder = FunctionalRecorder(parameters.values(), normalised=True)
    logits = run_with_params(network, parameters, images.clone(), recorder, "on noise")
    features = next(tensor for tensor in (recorder.last_maps, recorder.linear_input, logits) if tensor is not None)
    return features, sum(float(deviation.log()) for deviation in recorder.deviations)


def gaussian_parameters(network: nn.Module, seed: int, layers: Layers) -> dict[str, Tensor]:
    """Return float64 parameters: standard normal weights, biases of 0, weights of normalisations of 1.

    Where a layer computes its weight from parameters, these are standard normal, except that those with at most one
    axis longer than 1, such as the lengths of a normalised weight, are 1. All other parameters are the network's own.

    Args:
        network: The network.
        seed: Seeds each weight's generator, together with the weight's name.
        layers: The parameters of the network's layers.
    """
    weights, biases = set(map(id, layers.weights)), set(map(id, layers.biases))
    own = {id(module._parameters.get("weight")) for module in network.modules()}  # noqa: SLF001 - may be computed
    constant: dict[int, float] = dict.fromkeys(biases, 0.0)
    for module in network.modules():
        if isinstance(module, (*LAYERS, *_NORMS)):
            for name, parameter in module.named_parameters(recurse=False):
                if name in ("weight", "bias") and id(parameter) not in weights:
                    constant.setdefault(id(parameter), float(name == "weight"))
        elif isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
            named = module.named_parameters(recurse=False)
            constant.update((id(parameter), 0.0) for name, parameter in named if name.startswith("bias"))
    parameters = {}
    for name, parameter in network.named_parameters():
        if id(parameter) in weights and (id(parameter) in own or sum(size > 1 for size in parameter.shape) > 1):
            drawn = torch.randn(parameter.shape, generator=torch_generator(seed, "zen", name))
            parameters[name] = drawn.to(parameter.device, torch.float64)
        elif id(parameter) in weights or id(parameter) in constant:
            value = constant.get(id(parameter), 1.0)
            parameters[name] = torch.full_like(parameter.detach(), value, dtype=torch.float64)
        else:
            parameters[name] = parameter.detach().double()
    return parameters
