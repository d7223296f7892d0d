"""The weights of a network's layers."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from eznas.capture import NoUnitsError

T = TypeVar("T")

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)  # noqa: SLF001 - torch has no other name for it
"""Linear layers and convolutions."""


def layer_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the network's convolutions, linear and recurrent layers and attentions, each once.

    A weight that is computed from other parameters, such as a normalised one, is left out.
    """
    weights: dict[int, nn.Parameter] = {}
    for module in network.modules():
        names: tuple[str, ...] = ()
        if isinstance(module, LAYERS):
            names = ("weight",)
        elif isinstance(module, nn.MultiheadAttention):
            names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        elif isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
            names = tuple(name for name in module._parameters if name.startswith("weight"))  # noqa: SLF001
        for name in names:
            weight = module._parameters.get(name)  # noqa: SLF001 - the attribute would compute it and may write buffers
            if weight is not None:
                weights.setdefault(id(weight), weight)
    return list(weights.values())


def has_other_matrices(network: nn.Module) -> bool:
    """Return whether parameters of two or more axes are not among ``layer_weights``.

    These may be weights that functions use, parameters from which a layer computes its weight, or embeddings.
    """
    known = set(map(id, layer_weights(network)))
    return any(parameter.dim() > 1 and id(parameter) not in known for parameter in network.parameters())


def enable_grads(network: nn.Module, enabled: list[Tensor]) -> None:
    """Let all parameters require gradients, so that weights are followed to the parameters behind them.

    Args:
        network: The network.
        enabled: Takes the parameters that did not require one; the caller resets them.
    """
    parameters = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    enabled.extend(parameter.requires_grad_() for parameter in parameters if parameter.is_floating_point())


def require_layers(values: list[T]) -> list[T]:
    """Return a list with an entry a layer.

    Raises:
        NoUnitsError: The list is empty; its sum would be 0.
    """
    if not values:
        raise NoUnitsError("the network must have a convolution or a linear layer; it has none")
    return values
