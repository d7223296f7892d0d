"""One call of a torch function in a forward pass.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eznas.capture.function import Function


class Call:
    """One call of a torch function; hooks may change the function and the arguments before they run it.

    Args:
        func: The function.
        args: The positional arguments.
        kwargs: The keyword arguments.
    """

    __slots__ = ("args", "composed", "entering", "func", "function", "kwargs", "name")

    def __init__(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> None:
        self.func, self.args = func, args
        self.kwargs = dict(kwargs) if kwargs else {}
        self.name: str = getattr(func, "__name__", "")
        self.entering: Tensor | None = None
        self.function: Function | None = None  # of the tensor ``entering``
        self.composed: tuple[Function | None, ...] = ()  # the result of ``Recorder.compose``

    def run(self) -> Any:
        """Call the function."""
        return self.func(*self.args, **self.kwargs)

    def argument(self, position: int, name: str) -> Any:
        """Return an argument, given by position or by name."""
        return self.args[position] if len(self.args) > position else self.kwargs[name]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, and those in lists and tuples."""
        tensors: list[Tensor] = []
        for arg in (*self.args, *self.kwargs.values()):
            if isinstance(arg, Tensor):
                tensors.append(arg)
            elif isinstance(arg, (list, tuple)):
                tensors += [member for member in arg if isinstance(member, Tensor)]
        return tensors

    @property
    def input(self) -> Tensor:
        """The tensor of which an activation is a function; otherwise the first argument."""
        tensor: Tensor = self.argument(0, "input") if self.entering is None else self.entering
        return tensor

    @property
    def overwrites(self) -> bool:
        """Whether the call writes to its first argument or to ``out``."""
        if self.name.endswith("__"):
            return self.name == "__setitem__" or self.name.startswith("__i")
        return self.name.endswith("_") or bool(self.kwargs.get("inplace")) or self.kwargs.get("out") is not None
