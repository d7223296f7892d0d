"""The blocks of a network, such as its cells or residual blocks, and their outputs."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.passes.weights import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator


_STACKS = (nn.TransformerEncoder, nn.TransformerDecoder, nn.ModuleList, nn.ModuleDict)
"""Lists of blocks, whatever their members are."""


@dataclass(frozen=True)
class Feature:
    """The output of one run of a block.

    Args:
        tensor: The detached value at that moment.
        edge: The edge of the graph at which its gradient arrives; None where it depends on nothing that requires one.
    """

    tensor: Tensor
    edge: Any

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.tensor.shape[1 if self.tensor.dim() > 3 else -1]  # noqa: PLR2004

    def channels_last(self, tensor: Tensor) -> Tensor:
        """Return the feature or its gradient as ``n x c``, one row a position; maps have their channels second."""
        return (tensor.movedim(1, -1) if tensor.dim() > 3 else tensor).flatten(0, -2)  # noqa: PLR2004


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return the network's blocks, in the order in which they are registered.

    Blocks are the outermost modules that hold a layer and are no list of blocks. A member of a list of blocks is a
    block also without layers if it has children, such as a cell of skip connections. Lists of blocks are a
    ``Sequential`` in which some member with layers has children, a ``ModuleList``, a ``ModuleDict`` and a stack of
    transformer layers. So a stem of convolution and normalisation is one block, and a stage of residual blocks is
    several.

    If that gives one or two blocks, such as ``features`` and ``classifier``, the one with most layers is replaced by
    the blocks within it, if there are several.
    """
    blocks: list[nn.Module] = []
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
            blocks.append(module)
    if 0 < len(blocks) <= 2:  # noqa: PLR2004
        body = max(blocks, key=_layers)
        inner = blocks_of(body)
        if len(inner) > 1:
            place = blocks.index(body)
            blocks[place : place + 1] = inner
    return blocks


def _layers(module: nn.Module) -> int:
    return sum(isinstance(inner, (*LAYERS, nn.MultiheadAttention)) for inner in module.modules())


@contextlib.contextmanager
def features_recorded(network: nn.Module) -> Iterator[list[Feature]]:
    """Record the outputs of the network's blocks within the context, by a global hook; the network gets none.

    The network gets copies of outputs that are views.
    """
    blocks = {id(module) for module in blocks_of(network)}
    features: list[Feature] = []

    def record(module: nn.Module, _: Any, out: Any) -> Any:
        if not (id(module) in blocks and isinstance(out, Tensor) and out.is_floating_point()):
            return None
        if out._is_view():  # noqa: SLF001 - where the network overwrites a view, the graph loses its node
            out = out.clone()
        edge = torch.autograd.graph.get_gradient_edge(out) if out.requires_grad else None
        features.append(Feature(out.detach().clone(), edge))  # the network may overwrite the output
        return out

    handle = nn.modules.module.register_module_forward_hook(record)
    try:
        yield features
    finally:
        handle.remove()


def main_features(features: list[Feature]) -> list[Feature]:
    """Return the features of one kind: maps if at least two blocks return them, else tokens, else vectors."""
    counts = Counter(feature.tensor.dim() for feature in features)
    axes = next((axes for axes in (4, 3, 2) if counts[axes] > 1), 0)
    return [feature for feature in features if feature.tensor.dim() == axes]
