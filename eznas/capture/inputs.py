"""Networks that take other inputs than one tensor of floating point, as networks that take one."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function

from eznas.capture.call import Call, RecordError
from eznas.capture.image_axis import ImageAxis
from eznas.capture.state import device_of, fork_state, uncompiled
from eznas.errors import NETWORK_FAILURES
from eznas.minibatch.types import main_name, named_inputs, with_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from eznas.minibatch import Minibatch

_LOOKUPS = frozenset(("__getitem__", "embedding", "embedding_bag", "index_select"))
"""Functions that look up rows of a table."""

_OF_SHAPES = frozenset((
    "empty_like", "expand_as", "full_like", "new_empty", "new_full", "new_ones", "new_tensor", "new_zeros", "ones_like",
    "rand_like", "randn_like", "reshape_as", "view_as", "zeros_like",
))  # fmt: skip
"""Functions that read the shape of a tensor, and not its entries."""

_MAPS = 4


def with_tensor_input(network: nn.Module, minibatch: Minibatch) -> tuple[nn.Module, Minibatch]:
    """Return a network and a minibatch whose images are one tensor of floating point, ``b x *``.

    Where the minibatch holds such a tensor, both are returned as they are. Otherwise the images of the new minibatch
    are the first input that is no mask (see ``Minibatch.main_input``), if it is of floating point. If it holds
    integers, such as tokens, the images are the output of the first embedding that looks them up, or without an
    embedding the first tensor of floating point that the network computes from them. Noise, perturbed images and
    gradients with respect to the images are those of this tensor, and noise has its standard deviation.

    The new network maps such a tensor to the output of ``network``: it runs ``network`` on the other inputs of the
    minibatch, with the tensor in place of the input, or of the output of the embedding. Gradients flow into the table
    of the embedding too. The new network shares all parameters, buffers, modules and attributes with ``network``. It
    may be called with fewer rows than the minibatch: a row that equals one of the minibatch's images or noise runs with
    the other inputs of that sample, and any other row with those of the sample in its place. Of several equal samples,
    it is the one in the row's place or else the first; ``network_of_samples`` tells them apart.

    Integer images ``b x c x h x w`` and integers that the network does not look up are cast to floating point.

    Args:
        network: It runs once on integer inputs, until the embedding, and is left as it was.
        minibatch: It may be on any device.

    Raises:
        RecordError: The network computes no tensor of floating point from its integer inputs.
        Exception: Any exception of the network.
    """
    inputs = minibatch.images
    alone = isinstance(inputs, Tensor)
    if alone and (inputs.is_floating_point() or inputs.is_complex() or inputs.dim() == _MAPS):
        return network, minibatch
    network = uncompiled(network)
    name, main = main_name(inputs), minibatch.main_input
    minibatch = minibatch.to(device_of(network))
    place = None
    images = minibatch.main_input
    if not main.is_floating_point():
        found = _find_embedding(network, minibatch.images, name)
        if found is None:
            return network, minibatch
        place, images = found
    deviation = float(images.std(correction=0)) if place else minibatch.deviation
    plain = replace(minibatch, images=images, deviation=deviation)
    inner = _Inner(network, minibatch.images, name, place, (plain.images, plain.noise.to(images)))
    return inner.as_network(), plain


def network_of_samples(network: nn.Module, samples: slice) -> nn.Module:
    """Return a network that runs on some samples of its minibatch, each with its own other inputs.

    Samples with equal images may have other inputs that differ, such as masks, so images alone do not tell which they
    are.

    Args:
        network: A network of ``with_tensor_input``; any other network is returned as it is.
        samples: The samples of the minibatch, in whose order the network's images will be.
    """
    inner = getattr(network, "inner", None)
    return inner.of_samples(samples).as_network() if isinstance(inner, _Inner) else network


@dataclass(frozen=True)
class _Place:
    """The call that is an embedding: the n-th one of a function's name, and the axis of the images of its result."""

    function: str
    count: int
    axis: int


@dataclass(frozen=True)
class _Inner:
    """Runs a network with another tensor in place of its main input, or of that input's embedding.

    Args:
        network: The network.
        inputs: The inputs of all samples.
        name: The main input.
        place: The embedding; None where the main input itself is replaced.
        known: The images and the noise, by which rows are found.
    """

    network: nn.Module
    inputs: Any
    name: Any
    place: _Place | None
    known: tuple[Tensor, Tensor]

    def run(self, images: Tensor) -> Any:
        inputs = self.inputs
        if len(images) != len(self.known[0]):
            with torch._C.DisableTorchFunction(), torch.no_grad():  # noqa: SLF001 - recorders must not see it
                inputs = self._inputs_of(self._rows(images))
        if self.place is not None:
            with _Replacing(self.place, images):
                return _call(self.network, inputs)
        given = named_inputs(inputs)
        given[self.name] = images
        return _call(self.network, given if isinstance(inputs, dict) else tuple(given.values()))

    def of_samples(self, samples: slice) -> _Inner:
        """Return this for some of the samples."""
        images, noise = self.known
        return replace(self, inputs=self._inputs_of(samples), known=(images[samples], noise[samples]))

    def as_network(self) -> nn.Module:
        """Return a module that runs this and shares the attributes of the network."""
        seen: nn.Module = object.__new__(_class_of(type(self.network)))  # type: ignore[arg-type]
        object.__setattr__(seen, "__dict__", self.network.__dict__)
        object.__setattr__(seen, "inner", self)
        return seen

    def _inputs_of(self, rows: Tensor | slice) -> Any:
        samples = len(self.known[0])
        return with_inputs(self.inputs, lambda tensor: tensor[rows] if tensor.shape[:1] == (samples,) else tensor)

    def _rows(self, images: Tensor) -> Tensor:
        """Return the sample of each row of images."""
        rows = []
        for place, row in enumerate(images.detach().to(self.known[0])):
            equal = [(tensor == row).flatten(1).all(1).nonzero().flatten().tolist() for tensor in self.known]
            found = [place if place in places else places[0] for places in equal if places]
            rows.append(found[0] if found else place % len(self.known[0]))
        return torch.tensor(rows, device=images.device)


def _call(network: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


@functools.lru_cache(maxsize=64)
def _class_of(kind: type[nn.Module]) -> type[nn.Module]:
    """Return a class of modules that share the attributes of one of a class, and run another call."""

    def call(self: Any, images: Tensor) -> Any:
        return self.inner.run(images)

    return type(kind.__name__, (kind,), {"__slots__": ("inner",), "__call__": call, "__module__": kind.__module__})


class _Found(BaseException):
    """Ends the forward pass at the embedding; no network handles it."""


def _find_embedding(network: nn.Module, inputs: Any, name: Any) -> tuple[_Place, Tensor] | None:
    """Run a network until the first embedding of its main input, and return the embedding and its result.

    Return None where a network that takes one tensor fails on integers before it looks them up, as linear layers do.
    """
    main = named_inputs(inputs)[name]
    finder = _Finder(main)
    with fork_state(network), torch.no_grad():
        try:
            with finder:
                _call(network, inputs)
        except _Found:
            pass
        except NETWORK_FAILURES:
            if finder.looks_up or not isinstance(inputs, Tensor):
                raise
            return None
    found = finder.lookup or finder.computed
    if found is None:
        raise RecordError(
            "the network must look up its integer inputs in an embedding, or compute numbers of floating point from "
            "them, so that noise and gradients have a place; it does neither"
        )
    return found


class _Finder(TorchFunctionMode):
    """Finds the first tensors of floating point that are computed from an integer input.

    Attributes:
        lookup: The first embedding and its result, the images first.
        computed: The first other call.
        looks_up: Whether an embedding was called.
    """

    def __init__(self, main: Tensor) -> None:
        super().__init__()
        self.lookup: tuple[_Place, Tensor] | None = None
        self.computed: tuple[_Place, Tensor] | None = None
        self.looks_up = False
        self._samples = len(main)
        self._axes = ImageAxis()
        self._axes.images = len(main)
        self._derived = {id(main): weakref.ref(main)}
        self._counts: dict[str, int] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        call = Call(func, args, kwargs)
        self._counts[call.name] = count = self._counts.get(call.name, 0) + 1
        derived = [tensor for tensor in call.tensors if self._is_derived(tensor)]
        looks_up = bool(derived) and call.name in _LOOKUPS and any(one.is_floating_point() for one in call.tensors)
        self.looks_up |= looks_up
        out = call.run()
        if not derived or call.name in _OF_SHAPES:
            return out
        for result in out if isinstance(out, tuple) else (out,):
            if isinstance(result, Tensor) and not result.is_floating_point():
                self._derived[id(result)] = weakref.ref(result)
        self._axes.follow(call, out)
        if isinstance(out, Tensor) and out.is_floating_point():
            place = self._axes.of(derived[0])
            rows = out.shape[place.axis] if place.outer == 1 and 0 <= place.axis < out.dim() else 1
            if rows % self._samples == 0:
                images = place.images_first(out.detach())
                images = images if rows == self._samples else images.reshape(self._samples, -1, *images.shape[1:])
                found = _Place(call.name, count, place.axis), images.clone()
                if looks_up:
                    self.lookup = found
                    raise _Found
                self.computed = self.computed or found
        return out

    def _is_derived(self, tensor: Tensor) -> bool:
        known = self._derived.get(id(tensor))
        return known is not None and known() is tensor


class _Replacing(TorchFunctionMode):
    """Replaces the result of an embedding by a tensor; gradients flow to both."""

    def __init__(self, place: _Place, images: Tensor) -> None:
        super().__init__()
        self._place, self._images, self._count = place, images, 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if getattr(func, "__name__", "") == self._place.function:
            self._count += 1
            if self._count == self._place.count:
                func = self._replacing(func)
        return func(*args, **(kwargs or {}))

    def _replacing(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return an embedding whose result is the images, for other modes too."""

        @functools.wraps(func)
        def replacing(*args: Any, **kwargs: Any) -> Any:
            if has_torch_function((self._images,)):
                return handle_torch_function(replacing, (self._images,), *args, **kwargs)
            out = func(*args, **kwargs)
            images = self._images.movedim(0, self._place.axis) if self._place.axis else self._images
            return images.reshape(out.shape) + (out - out.detach())

        return replacing
