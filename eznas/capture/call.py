"""One call of a torch function in a forward pass.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eznas.capture.function import Function


class RecordError(RuntimeError):
    """A network cannot be recorded."""


class Call:
    """One call of a torch function; hooks may change the function and the arguments before they run it.

    Args:
        func: The function.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Attributes:
        copy: The tensor that the function overwrote, where it ran on a copy of a view; otherwise None.
    """

    __slots__ = ("args", "composed", "copy", "entering", "func", "function", "kwargs", "name")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> None:
        self.func, self.args = func, args
        self.kwargs = dict(kwargs) if kwargs else {}
        self.name: str = getattr(func, "__name__", "")
        self.entering: Tensor | None = None
        self.copy: Tensor | None = None
        self.function: Function | None = None  # of the tensor ``entering``
        self.composed: tuple[Function | None, ...] = ()  # the result of ``Recorder.compose``

    def run(self) -> Any:
        """Call the function.

        Where it overwrites a view that gradients flow through, it runs on a copy, which is written to the view. The
        graph would lose the node of the view as it was before.
        """
        view = self._overwritten_view() if self.overwrites else None
        if view is None:
            return self.func(*self.args, **self.kwargs)
        self.copy = view.clone()
        if self.args:
            out = self.func(self.copy, *self.args[1:], **self.kwargs)
        else:
            out = self.func(**{**self.kwargs, "input": self.copy})
        view.copy_(self.copy)
        return view if out is self.copy else out

    def made(self, out: Tensor) -> Tensor:
        """Return the tensor whose node of the graph computes the result, also where the network reads its base."""
        return out if self.copy is None else self.copy

    def argument(self, position: int, name: str) -> Any:
        """Return an argument, given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs[name]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, and those in lists and tuples."""
        return _tensors_in((*self.args, *self.kwargs.values()))

    @property
    def input(self) -> Tensor:
        """The tensor of which an activation is a function; otherwise the first argument, behind an equation's text."""
        if self.entering is not None:
            return self.entering
        first: Any = self.argument(0, "input")
        return self.tensors[0] if isinstance(first, str) else first

    @property
    def overwrites(self) -> bool:
        """Whether the call writes to its first argument or to ``out``."""
        if self.name.endswith("__"):
            return self.name in _OVERWRITING
        return self.name.endswith("_") or bool(self.kwargs.get("inplace")) or self.kwargs.get("out") is not None

    @property
    def memory(self) -> list[int]:
        """The addresses of the memory that the call may overwrite, if it overwrites any."""
        targets = _tensors_in((*self.args[:1], *self.kwargs.values()))
        return [tensor.untyped_storage().data_ptr() for tensor in targets]

    def _overwritten_view(self) -> Tensor | None:
        """Return the view that the call overwrites; None where gradients do not flow through it."""
        target = self.args[0] if self.args else self.kwargs.get("input")
        if not isinstance(target, Tensor) or self.name in _CHANGING_SHAPES or self.kwargs.get("out") is not None:
            return None
        flows = torch.is_grad_enabled() and target.requires_grad
        return target if flows and target._is_view() else None  # noqa: SLF001 - torch has no other name for it


def _tensors_in(args: tuple[Any, ...]) -> list[Tensor]:
    tensors: list[Tensor] = []
    for arg in args:
        if isinstance(arg, Tensor):
            tensors.append(arg)
        elif isinstance(arg, (list, tuple)):
            tensors += [member for member in arg if isinstance(member, Tensor)]
    return tensors


_OVERWRITING = frozenset((
    "__iadd__", "__iand__", "__idiv__", "__ifloordiv__", "__ilshift__", "__imatmul__", "__imod__", "__imul__",
    "__ior__", "__ipow__", "__irshift__", "__isub__", "__itruediv__", "__ixor__", "__setitem__",
))  # fmt: skip
"""Operators that overwrite their first operand."""

_CHANGING_SHAPES = frozenset((
    "as_strided_", "detach_", "rename_", "requires_grad_", "resize_", "resize_as_", "set_", "share_memory_", "squeeze_",
    "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_",
))  # fmt: skip
"""Functions that change a tensor, but not the numbers in it."""
