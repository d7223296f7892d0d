"""Runs attention as the matrix products of which it is made, and records the products of maps and values.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.capture.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.capture.call import Call


@cache
def opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of ``torch.nn.functional`` whose calls of torch reach the torch function modes too.

    torch hands the whole function to a mode, and the calls within it to none.
    """
    original: Any = function
    names = {**original.__globals__, "has_torch_function": _never, "has_torch_function_variadic": _never}
    copy = types.FunctionType(original.__code__, names, original.__name__, original.__defaults__, original.__closure__)
    copy.__kwdefaults__ = original.__kwdefaults__
    return copy


def _never(*_: Any) -> bool:
    return False


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return ``softmax(query key^T scale + mask) value``, as torch's ``scaled_dot_product_attention`` does.

    The order of the operations is that of torch's kernel ``SDPBackend.MATH``. The maps of a row without any allowed key
    are 0.
    """
    if enable_gqa:
        key, value = (tensor.repeat_interleave(query.shape[-3] // tensor.shape[-3], -3) for tensor in (key, value))
    root = math.sqrt(abs(scale if scale is not None else 1 / math.sqrt(query.shape[-1])))
    scores = (query * (-root if scale is not None and scale < 0 else root)) @ (key.transpose(-2, -1) * root)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            hidden = attn_mask.logical_not()
            empty = hidden.all(-1, keepdim=True)
            maps = scores.masked_fill(hidden, -math.inf).softmax(-1).masked_fill(empty, 0.0)
        else:
            scores = scores + attn_mask
            empty = (scores == -math.inf).all(-1, keepdim=True)
            maps = scores.masked_fill(empty, 0.0).softmax(-1).masked_fill(empty, 0.0)  # a softmax of -inf is NaN
    else:
        maps = scores.softmax(-1)
    return nn.functional.dropout(maps, dropout_p) @ value if dropout_p else maps @ value


@dataclass(eq=False)
class AttentionProduct(Layer):
    """One product of attention maps with values: a layer whose weight is computed from the images.

    It has the fields of ``Layer``: the weight is the values, ``activation_input`` the scores in front of the softmax,
    ``conv_in`` the maps behind it, and ``conv_out`` the outputs of the heads.

    Args:
        after: The number of layers that ran before it.
    """

    after: int = 0

    @property
    def has_maps(self) -> bool:
        """Whether the maps and the values have the images on an axis in front of the last two, and equal heads."""
        tensors = (self.weight, self.conv_in, self.conv_out)
        if any(len(one.shape) < 3 or not 0 <= one.place.axis < len(one.shape) - 2 for one in tensors):  # noqa: PLR2004
            return False
        sizes = {math.prod(one.shape[:-2]) for one in tensors}
        return len(sizes) == 1 and sizes.pop() % self.conv_in.place.images == 0

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a quantity.

        Scores and maps are ``b x heads x tokens x keys``, the outputs of the heads are ``b x (heads d) x tokens x 1``,
        and the values are ``(heads d) x (b keys) x 1 x 1``. Windows count as heads.
        """
        recorded = self.recorded(quantity)
        images = recorded.place.images
        heads = math.prod(recorded.shape[:-2]) // images
        rows, columns = recorded.shape[-2:]
        if quantity in ("input", "conv_in"):
            return images, heads, rows, columns
        if quantity == "weight":
            return heads * columns, images * rows, 1, 1
        return images, heads * columns, rows, 1

    def shaped(self, quantity: str, tensor: Tensor) -> Tensor:
        """Return a quantity or its gradient in the shape that ``shape`` gives."""
        recorded = self.recorded(quantity)
        by_head = recorded.images_first(tensor.reshape(recorded.shape))
        by_head = by_head.reshape(recorded.place.images, -1, *recorded.shape[-2:])
        if quantity == "weight":
            by_head = by_head.permute(1, 3, 0, 2)
        elif quantity not in ("input", "conv_in"):
            by_head = by_head.transpose(2, 3)
        return by_head.reshape(self.shape(quantity))

    def maps(self) -> Tensor:
        """Return the attention maps, ``b x heads x tokens x keys``; their values must have been kept."""
        return self.shaped("conv_in", self.conv_in.value)

    def heads(self) -> Tensor:
        """Return the outputs of the heads, ``b x heads x tokens x d``; their values must have been kept."""
        return self.by_head(self.conv_out.value)

    def by_head(self, tensor: Tensor) -> Tensor:
        """Return the outputs of the heads or their gradient as ``b x heads x tokens x d``."""
        recorded = self.conv_out
        return recorded.images_first(tensor).reshape(recorded.place.images, -1, *recorded.shape[-2:])


def einsum_as_product(call: Call, maps: Tensor) -> Callable[[], Tensor] | None:
    """Return the call of ``einsum`` that multiplies attention maps with values, as a matrix product.

    Args:
        call: A call of ``torch.einsum``.
        maps: The operand whose last two axes are those of queries and keys.

    Returns:
        Computes the result of the call; None where the call is no such product.
    """
    tensors = call.tensors
    if not isinstance(call.args[0], str) or len(tensors) != 2:  # noqa: PLR2004
        return None
    terms, _, out = call.args[0].replace(" ", "").partition("->")
    first, _, second = terms.partition(",")
    if tensors[0] is not maps:
        first, second = second, first
    values = tensors[1] if tensors[0] is maps else tensors[0]
    if "." in terms or len(first) < 3:  # noqa: PLR2004
        return None
    *batch, row, key = list(first)
    column = "".join(set(second) - set(first))
    if sorted(second) != sorted([*batch, key, column]) or sorted(out) != sorted([*batch, row, column]):
        return None
    in_order = [second.index(letter) for letter in (*batch, key, column)]
    behind = [[*batch, row, column].index(letter) for letter in out]
    return lambda: (maps @ values.permute(in_order)).permute(behind)


PRODUCTS = frozenset(("bmm", "matmul", "__matmul__"))
"""Functions that multiply attention maps with values."""

SOFTMAX = frozenset(("softmax", "_safe_softmax"))
"""Functions whose results are attention maps where a product with values follows."""

CARRIED = frozenset((
    "bfloat16", "clone", "contiguous", "dropout", "flatten", "float", "half", "masked_fill", "nan_to_num", "reshape",
    "to", "type", "type_as", "unflatten", "view",
))  # fmt: skip
"""Functions whose results are still attention maps."""


def attention_name(layers: Sequence[Layer], products: Sequence[AttentionProduct]) -> str:
    """Return the name of the next product: the module of the layer that ran last, then ``attention``."""
    module = layers[-1].name.rpartition(".")[0] if layers else ""
    name = f"{module}.attention" if module else "attention"
    runs = sum(product.name.partition("#")[0] == name for product in products)
    return f"{name}#{runs + 1}" if runs else name
