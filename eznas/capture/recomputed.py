"""An autograd graph that keeps no tensors: a backward pass gets them by running the network again, some at a time."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.capture.call import RecordError
from eznas.capture.function import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class _EnoughError(BaseException):
    """Ends a repeated forward pass; not an ``Exception``, so that no handler of a network catches it."""


class RecomputedGraph:
    """Drops the tensors that a forward pass saves for its backward pass, and computes them again when they are read.

    A backward pass reads saved tensors from the last to the first. Each repeated forward pass ends at the tensor that
    is read, and keeps this tensor and the ones before it, up to a limit. Values and gradients are those of a graph
    that keeps its tensors, bit for bit, if the forward pass does the same each time.

    Args:
        again: Runs the forward pass again, from the same state as the first time.
        limit: Most bytes of saved tensors at once; a single tensor may take more.
        parameters: Tensors that are never dropped.
        buffers: Tensors that the forward pass may overwrite after it saved them, and that are copied therefore.

    Attributes:
        passes: The number of repeated forward passes.
    """

    def __init__(
        self, again: Callable[[], object], limit: int, parameters: Iterable[Tensor], buffers: Iterable[Tensor]
    ) -> None:
        self.passes = 0
        self._again, self._limit = again, limit
        self._parameters, self._buffers = set(map(_memory, parameters)), set(map(_memory, buffers))
        self._next = 0  # place of the next saved tensor
        self._last: int | None = None  # while a pass is repeated, the place of the tensor that is read
        self._held: dict[int, tuple[Tensor, int]] = {}
        self._order: deque[int] = deque()
        self._uses: Counter[int] = Counter()  # held tensors by memory
        self._bytes = 0

    def hooks(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Return a context in which a forward pass saves tensors here."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)

    def _pack(self, tensor: Tensor) -> Tensor | int:
        if _memory(tensor) in self._parameters:
            return tensor
        place = self._next
        self._next += 1
        if self._last is not None:
            self._hold(place, tensor)
            if place == self._last:
                raise _EnoughError
        return place

    def _unpack(self, packed: Tensor | int) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        if packed not in self._held:
            self._repeat(packed)
        tensor, saved = self._held[packed]
        if version(tensor) != saved:
            raise RecordError("the network must not overwrite tensors that its gradients depend on")
        return tensor

    def _repeat(self, place: int) -> None:
        self._held.clear()
        self._order.clear()
        self._uses.clear()
        self._bytes, self._next, self._last = 0, 0, place
        self.passes += 1
        try:
            with torch.inference_mode(mode=False), torch.enable_grad(), self.hooks():
                self._again()
        except _EnoughError:
            pass
        finally:
            self._last = None
        if place not in self._held:
            raise RecordError("the network must save the same tensors each time it runs on the same images")

    def _hold(self, place: int, tensor: Tensor) -> None:
        tensor = tensor.detach().clone() if _memory(tensor) in self._buffers else tensor.detach()
        self._held[place] = tensor, version(tensor)
        self._order.append(place)
        if not self._uses[_memory(tensor)]:
            self._bytes += tensor.untyped_storage().nbytes()
        self._uses[_memory(tensor)] += 1
        while self._bytes > self._limit and len(self._order) > 1:
            oldest, _ = self._held.pop(self._order.popleft())
            self._uses[_memory(oldest)] -= 1
            if not self._uses[_memory(oldest)]:
                self._bytes -= oldest.untyped_storage().nbytes()


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
