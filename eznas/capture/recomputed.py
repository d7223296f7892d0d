"""An autograd graph that keeps few tensors: a backward pass gets the others by running the network again."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.capture.call import RecordError
from eznas.capture.function import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eznas.capture.layer import Recorded


class _EnoughError(BaseException):
    """Ends a repeated forward pass; not an ``Exception``, which a network may catch."""


@dataclass(frozen=True)
class _Entry:
    """A tensor that is held.

    Args:
        tensor: A saved tensor; None for a record.
        recorded: A record that holds the tensor; None for a saved tensor.
        version: The number of writes to the saved tensor.
        memory: Its memory.
        size: Bytes of this memory.
    """

    tensor: Tensor | None
    recorded: Recorded | None
    version: int
    memory: int
    size: int


class RecomputedGraph:
    """Keeps the last tensors that a forward pass saves for its backward pass, and computes the others again.

    A backward pass reads saved tensors from the last to the first. Each repeated forward pass ends at the tensor that
    is read, and keeps this tensor and the ones before it, up to a limit. Values and gradients are those of a graph
    that keeps its tensors, bit for bit, if the forward pass does the same each time. Values of records may be read
    again in the same way.

    Args:
        again: Runs the forward pass again, from the same state as the first time, and notes the same records.
        limit: Most bytes of tensors at once; a single tensor may take more.
        parameters: Tensors that are never dropped.
        buffers: Tensors that the forward pass may overwrite after it saved them, and that are copied therefore.
        trim: Called often while passes run.

    Attributes:
        passes: The number of repeated forward passes.
    """

    def __init__(
        self,
        again: Callable[[], object],
        limit: int,
        parameters: Iterable[Tensor],
        buffers: Iterable[Tensor],
        trim: Callable[[], object] = lambda: None,
    ) -> None:
        self.passes = 0
        self._trim = trim
        self._again, self._limit = again, limit
        self._parameters, self._buffers = set(map(_memory, parameters)), set(map(_memory, buffers))
        self._next = 0  # place of the next saved tensor or record
        self._last: int | None = None  # while a pass is repeated, the place at which it ends
        self._first_read: int | None = None  # the first place that the backward pass has read
        self._count = 0  # saved tensors and records of a whole pass
        self._held: dict[int, _Entry] = {}
        self._order: deque[int] = deque()
        self._uses: Counter[int] = Counter()  # held tensors by memory
        self._bytes = 0

    def hooks(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Return a context in which a forward pass saves tensors here."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)

    def note(self, recorded: Recorded) -> int:
        """Return the place of a record among the saved tensors, by which ``read`` finds its value again."""
        place = self._next
        self._next += 1
        value = recorded.value
        self._hold(place, _Entry(None, recorded, 0, _memory(value), value.untyped_storage().nbytes()))
        return place

    def read(self, place: int) -> Recorded:
        """Return a record with its value, as a repeated pass makes it."""
        recorded = self._entry(place).recorded
        if recorded is None:
            raise RecordError(_DIFFERENT)
        return recorded

    def _pack(self, tensor: Tensor) -> Tensor | int:
        if _memory(tensor) in self._parameters:
            return tensor
        place = self._next
        self._next += 1
        tensor = tensor.detach().clone() if _memory(tensor) in self._buffers else tensor.detach()
        self._hold(place, _Entry(tensor, None, version(tensor), _memory(tensor), tensor.untyped_storage().nbytes()))
        return place

    def _unpack(self, packed: Tensor | int) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        entry = self._entry(packed)
        if entry.tensor is None:
            raise RecordError(_DIFFERENT)
        if version(entry.tensor) != entry.version:
            raise RecordError("the network must not overwrite tensors that its gradients depend on")
        return entry.tensor

    def _entry(self, place: int) -> _Entry:
        self._count = max(self._count, self._next)
        unread = self._count if self._first_read is None or place > self._first_read else self._first_read
        if place not in self._held:
            # the tensors behind it that were not read were saved by the same function, and are read next
            self._repeat(unread - 1 if unread - place <= _OF_A_FUNCTION else place)
        if place not in self._held:
            self._repeat(place)
        if place not in self._held:
            raise RecordError(_DIFFERENT)
        self._first_read = place if place < unread else self._first_read
        self._trim()
        return self._held[place]

    def close(self) -> None:
        """Free all tensors, which nodes of the graph would keep otherwise; no backward pass may follow."""
        while self._order:
            self._drop_oldest()

    def _repeat(self, last: int) -> None:
        self.close()
        self._next, self._last = 0, last
        self.passes += 1
        try:
            with torch.inference_mode(mode=False), torch.enable_grad(), self.hooks():
                self._again()
        except _EnoughError as end:
            end.__traceback__ = None  # contexts that it left refer to it, and its frames to tensors
        finally:
            self._last = None

    def _hold(self, place: int, entry: _Entry) -> None:
        self._held[place] = entry
        self._order.append(place)
        if not self._uses[entry.memory]:
            self._bytes += entry.size
        self._uses[entry.memory] += 1
        while self._bytes > self._limit and len(self._order) > 1:
            self._drop_oldest()
        self._trim()
        if place == self._last:
            raise _EnoughError

    def _drop_oldest(self) -> None:
        oldest = self._held.pop(self._order.popleft())
        self._uses[oldest.memory] -= 1
        if not self._uses[oldest.memory]:
            self._bytes -= oldest.size
        if oldest.recorded is not None:
            oldest.recorded.value = None  # its recorder may live on


_OF_A_FUNCTION = 8
"""Most tensors that a function of torch saves."""

_DIFFERENT = "the network must save the same tensors each time it runs on the same images"


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
