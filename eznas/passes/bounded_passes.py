"""The passes of a network within a bound on memory, with the same results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import torch

from eznas.capture.attributes import reachable_buffers
from eznas.capture.heap import Heap
from eznas.capture.recomputed import RecomputedGraph
from eznas.errors import NETWORK_FAILURES
from eznas.passes.forward import Forward, run_forward
from eznas.passes.network_passes import NetworkPasses
from eznas.passes.outputs import Output, channels_first
from eznas.passes.parts import PARTS, Graph
from eznas.passes.recorder import PassRecorder, check_recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import Tensor, nn

    from eznas.capture.layer import Recorded
    from eznas.minibatch import Minibatch


T = TypeVar("T")


class BoundedPasses(NetworkPasses):
    """Computes the parts of ``NetworkPasses`` with a graph that keeps few tensors, where the parts allow it.

    Where no part reads the graph, it keeps no tensors. Where backward passes read it once, it keeps some of them, and
    further forward passes compute the others. ``map_outputs`` runs a pass of its own, which keeps no outputs.

    Args:
        graph: Most bytes of the tensors of a graph that are kept at once.
        memory: Bytes by which the process may grow before it returns free memory to the system.
        network: See ``NetworkPasses``.
        minibatch: See ``NetworkPasses``.
        parts: See ``NetworkPasses``.
    """

    def __init__(
        self, graph: int, memory: int, network: nn.Module, minibatch: Minibatch, parts: Collection[str]
    ) -> None:
        super().__init__(network, minibatch, parts)
        self.parts = frozenset(parts)  # without the outputs that ``map_outputs`` alone reads
        self._graph = graph
        self._heap = Heap(memory)
        self._use = {PARTS[part].graph for part in self.parts}

    def map_outputs(self, function: Callable[[Tensor], T]) -> list[T]:
        """See ``NetworkPasses``."""
        recorder = _OutputMapper(self.network, len(self.minibatch), function)
        with self._without_graph():
            run_forward(self.network, self.minibatch.images, {"outputs"}, self._grads_enabled, recorder=recorder)
        check_recorded(recorder)
        results: list[T] = []
        for output in recorder.outputs:
            result = recorder.results[output.recorded]
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        return results

    def _run(self, images: Tensor, parts: Collection[str], where: str = "") -> Forward:
        if Graph.WHOLE in self._use and not where:
            return super()._run(images, parts, where)
        if Graph.ONCE not in self._use or where:
            with self._without_graph():
                return super()._run(images, parts, where)
        own = {id(buffer): buffer for buffer in reachable_buffers(self.network)}
        buffers = {key: buffer.clone() for key, buffer in own.items()}

        def again() -> None:
            for key, buffer in own.items():
                buffers[key].copy_(buffer)
            following = {part for part in parts if PARTS[part].graph is Graph.ONCE}
            run_forward(self.network, images, following, [], buffers=buffers)

        kept = RecomputedGraph(again, self._graph, self.network.parameters(), buffers.values(), self._heap.trim)
        self._contexts.callback(kept.close)
        with kept.hooks():
            return run_forward(self.network, images, parts, self._grads_enabled, buffers=buffers)

    def _without_graph(self) -> torch.autograd.graph.saved_tensors_hooks:
        """Return a context in which forward passes save no tensors, so that no backward pass may follow."""
        return torch.autograd.graph.saved_tensors_hooks(lambda _: self._heap.trim(), _refuse)


class _OutputMapper(PassRecorder):
    """Reads each output when it is computed.

    Args:
        network: See ``PassRecorder``.
        images: See ``PassRecorder``.
        function: A function of an output.

    Attributes:
        results: For each record of an output, the result or the exception of the function.
    """

    def __init__(self, network: torch.nn.Module, images: int, function: Callable[[Tensor], Any]) -> None:
        super().__init__(network, images, {"outputs"})
        self.results: dict[Recorded, Any] = {}
        self._function = function

    def _output(self, out: Tensor, *, channels_last: bool) -> Output:
        recorded = self._record(out)
        try:
            images_first = recorded.images_first(out.detach())
            self.results[recorded] = self._function(channels_first(images_first, last=channels_last))
        except NETWORK_FAILURES as error:
            self.results[recorded] = error.with_traceback(None)  # raised if the output is not part of another one
        return Output(recorded, channels_last, self.elementwise.step(out))


def _refuse(_: Any) -> Tensor:
    raise RuntimeError("no part that a measure names may run a backward pass")
