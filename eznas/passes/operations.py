"""Counts the operations of a forward pass below torch's functions, where recurrent layers and attention are opened."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from eznas.capture.record import flattened

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROUPS = 8
"""The position of the number of groups among the arguments of a convolution."""


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that run while it is active.

    Attributes:
        products: Multiply-accumulates; see ``eznas.measures.complexity.flops``.
        grouped: Those of convolutions with several groups, which are among ``products``.
        calls: Operations.
        entries: Entries of their results, views left out.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products = self.grouped = self.calls = self.entries = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += 1
        if func.is_view:
            return out
        self.entries += sum(tensor.numel() for tensor in flattened((out,), {}) if isinstance(tensor, Tensor))
        formula, name = flop_registry.get(func.overloadpacket), func.overloadpacket.__name__
        if formula is not None:
            products = formula(*args, **(kwargs or {}), out_val=out) // 2
            self.products += products
            if name == "convolution" and args[_GROUPS] > 1:
                self.grouped += products
        elif name in ("mv", "addmv"):
            self.products += args[-2].numel()
        elif name == "_trilinear":  # of nn.Bilinear
            self.products += len(args[0]) * args[1].numel()
        elif name in ("mkldnn_rnn_layer", "_cudnn_rnn"):
            weights = [tensor for tensor in flattened(args[1:3], {}) if isinstance(tensor, Tensor)]
            numbers = sum(weight.numel() for weight in weights if weight.dim() > 1)  # without biases
            self.products += math.prod(args[0].shape[:-1]) * numbers
        return out
