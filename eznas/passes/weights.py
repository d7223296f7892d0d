"""The weights of a network's layers."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from eznas.capture import NoUnitsError

T = TypeVar("T")

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)  # noqa: SLF001 - torch has no other name for it
"""Linear layers and convolutions."""


def layer_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the network's convolutions, linear layers and attentions, each once.

    A weight that is computed from other parameters, such as a normalised one, is left out.
    """
    weights: dict[int, nn.Parameter] = {}
    for module in network.modules():
        names: tuple[str, ...] = ()
        if isinstance(module, LAYERS):
            names = ("weight",)
        elif isinstance(module, nn.MultiheadAttention):
            names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        for name in names:
            weight = module._parameters.get(name)  # noqa: SLF001 - the attribute would compute it and may write buffers
            if weight is not None:
                weights.setdefault(id(weight), weight)
    return list(weights.values())


def named_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters whose names contain ``weight``, including those of normalisations."""
    return [parameter for name, parameter in network.named_parameters() if "weight" in name]


def require_layers(values: list[T]) -> list[T]:
    """Return a list with an entry a layer.

    Raises:
        NoUnitsError: The list is empty; its sum would be 0.
    """
    if not values:
        raise NoUnitsError("the network must have a convolution or a linear layer; it has none")
    return values
