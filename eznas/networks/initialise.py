"""Networks whose weights depend on a seed alone; the global random state stays unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.seeds import torch_generator

if TYPE_CHECKING:
    from collections.abc import Callable


def construct(build: Callable[[], nn.Module], device: torch.device | str = "cpu") -> nn.Module:
    """Return ``build()`` on a device, leaving the global random state as it was.

    The network is built on the CPU in a fixed random state, with the values and buffers of its constructors. That is
    faster than building on torch's meta device, which has a larger overhead for each module.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return build().to(device)


def initialise(network: nn.Module, seed: int) -> None:
    """Set the parameters of a network as [EZNAS] does, in place.

    Convolutions get normal weights of variance 2 / fan-out (He et al. 2015) and no bias, linear layers normal
    weights of standard deviation 0.01 and no bias; batch normalisations get weight 1, bias 0 and fresh
    running statistics. Other modules keep the values of their constructors.

    Each weight has its own random stream, named by the seed and the module's path, and is drawn on the CPU in float32.
    It does not depend on other layers, the device or the dtype. With one seed, two architectures have equal weights
    where path and shape agree.

    References:
        [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
            2022.
    """
    for name, module in network.named_modules():
        match module:
            case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                weight = torch.empty(module.weight.shape)
                generator = torch_generator(seed, "initialise", name)
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu", generator=generator)
                _set(module, weight)
            case nn.Linear():
                weight = torch.empty(module.weight.shape)
                _set(module, weight.normal_(0, 0.01, generator=torch_generator(seed, "initialise", name)))
            case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
                module.reset_parameters()


@torch.no_grad()
def _set(module: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear, weight: Tensor) -> None:
    module.weight.copy_(weight)
    if module.bias is not None:
        module.bias.zero_()
