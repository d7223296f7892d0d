"""The blocks of a network, such as its cells or residual blocks, and what leaves them."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.passes.recorder import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Feature", "blocks_of", "features_recorded", "main_features"]

_STACKS = (nn.TransformerEncoder, nn.TransformerDecoder, nn.ModuleList, nn.ModuleDict)
"""What is descended into whatever its members are: it is a list in all but name, or is never called itself."""


@dataclass(frozen=True)
class Feature:
    """What left a block once.

    Args:
        tensor: The detached value at that moment.
        edge: Where its gradient arrives; None where it depends on nothing that needs one.
    """

    tensor: Tensor
    edge: Any

    def channels_last(self, tensor: Tensor) -> Tensor:
        """Return the feature or its gradient as ``n x c``, a row a position: maps have their channels second."""
        return (tensor.movedim(1, -1) if tensor.dim() > 3 else tensor).flatten(0, -2)  # noqa: PLR2004


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return the network's blocks, in the order in which they are registered.

    They are the outermost modules that hold a layer and are no list of blocks, and the other members of such lists that
    have members themselves, such as a cell of skip connections. A list is a ``Sequential`` of which a member with
    layers has members itself, or a ``ModuleList``, ``ModuleDict`` or stack of transformer layers. So a stem of
    convolution and normalisation is one block, and a stage of residual blocks is several.

    Where that gives one block, or two, such as ``features`` and ``classifier``, those within the one with most layers
    stand for it, if they are several.
    """
    found: list[nn.Module] = []
    pending = [(child, False) for child in network.children()][::-1]
    while pending:
        module, member = pending.pop()
        children = list(module.children())
        if isinstance(module, _STACKS) or (
            isinstance(module, nn.Sequential)
            and any(_layers(child) and next(child.children(), None) is not None for child in children)
        ):
            pending.extend([(child, True) for child in children][::-1])
        elif _layers(module) or (member and children):
            found.append(module)
    if 0 < len(found) <= 2:  # noqa: PLR2004
        body = max(found, key=_layers)
        within = blocks_of(body)
        if len(within) > 1:
            place = found.index(body)
            found[place : place + 1] = within
    return found


def _layers(module: nn.Module) -> int:
    return sum(isinstance(inner, (*LAYERS, nn.MultiheadAttention)) for inner in module.modules())


@contextlib.contextmanager
def features_recorded(network: nn.Module) -> Iterator[list[Feature]]:
    """Record what leaves the network's blocks while the block runs; no hook is put on the network."""
    blocks = {id(module) for module in blocks_of(network)}
    found: list[Feature] = []

    def record(module: nn.Module, _: Any, out: Any) -> None:
        if id(module) in blocks and isinstance(out, Tensor) and out.is_floating_point():
            # the network may overwrite it
            edge = torch.autograd.graph.get_gradient_edge(out) if out.requires_grad else None
            found.append(Feature(out.detach().clone(), edge))

    handle = nn.modules.module.register_module_forward_hook(record)
    try:
        yield found
    finally:
        handle.remove()


def main_features(features: list[Feature]) -> list[Feature]:
    """Return the features of one kind: maps where at least two blocks give them, else tokens, else vectors.

    What leaves the last block, the logits, is not among the vectors' kind alone.
    """
    counts = Counter(feature.tensor.dim() for feature in features)
    axes = next((axes for axes in (4, 3, 2) if counts[axes] > 1), 0)
    return [feature for feature in features if feature.tensor.dim() == axes]
