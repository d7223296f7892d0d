"""A torch function mode that hands each call of a forward pass to the hook of its kind.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from eznas.capture.attention import attention, opened
from eznas.capture.call import Call, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor


class CallHooks(TorchFunctionMode):
    """Hands every torch function that is called while it is active to one hook, which runs the call.

    Attributes:
        ungraphed: The name of a layer's function that ran while gradients were disabled; empty without one.

    Subclasses override ``layer``, ``activation``, ``normalisation`` and ``other``. Modules and functional code are
    treated alike, the network gets no hooks, and calls come in the order of execution. Batch and instance
    normalisation use the statistics of the images, whatever the mode of their modules.
    """

    ungraphed = ""

    LAYERS = frozenset(("conv2d", "linear"))
    ACTIVATIONS = frozenset((
        "celu", "clamp", "clamp_max", "clamp_min", "clip", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish",
        "hardtanh", "leaky_relu", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu",
        "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
    ))  # fmt: skip
    NORMALISATIONS = frozenset(("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Hand a call to its hook."""
        call = Call(func, args, kwargs)
        opened_call = self.open(call)
        if opened_call is not None:
            TorchFunctionMode.__enter__(self)  # type: ignore[no-untyped-call]
            try:
                return opened_call()
            finally:
                TorchFunctionMode.__exit__(self, None, None, None)  # type: ignore[no-untyped-call]
        if call.name in self.LAYERS:
            if not torch.is_grad_enabled():
                self.ungraphed = call.name
            call.func = partial(_owned, call.func)
            return self.layer(call)
        if self.activates(call):
            return self.activation(call)
        return self.normalisation(call) if call.name in self.NORMALISATIONS else self.other(call)

    def open(self, call: Call) -> Callable[[], Any] | None:
        """Return attention or a normalisation by a norm as a function whose calls are handed to hooks too, or None."""
        if call.name not in _OPENED:
            return None
        function = attention if call.func is nn.functional.scaled_dot_product_attention else opened(call.func)
        return partial(function, *call.args, **call.kwargs)

    def activates(self, call: Call) -> bool:
        """Return whether a call runs an activation of ``ACTIVATIONS``."""
        return call.name.strip("_") in self.ACTIVATIONS  # torch names one of them _threshold

    def layer(self, call: Call) -> Any:
        """Run a convolution or linear layer of ``LAYERS``."""
        return self.other(call)

    def activation(self, call: Call) -> Any:
        """Run an activation, which may be in place."""
        return self.other(call)

    def normalisation(self, call: Call) -> Any:
        """Run a normalisation on the statistics of the images.

        Raises:
            RecordError: torch refuses single values; see ``check_values``.
        """
        if call.func is nn.functional.batch_norm:
            call.kwargs["training"] = True
        elif call.func is nn.functional.instance_norm:
            call.kwargs["use_input_stats"] = True
        try:
            return self.other(call)
        except ValueError:
            check_values(call)
            raise

    def other(self, call: Call) -> Any:
        """Run any other call."""
        return call.run()


_OPENED = frozenset(("multi_head_attention_forward", "normalize", "scaled_dot_product_attention"))
"""Functions that run other functions of torch within one call."""


def check_values(call: Call) -> None:
    """Refuse a normalisation of single values, as torch does.

    Raises:
        RecordError: Each mean of a batch or instance normalisation would be of one value, or the images together would
            have one value of each group of a group normalisation.
    """
    if call.func is nn.functional.group_norm:
        kind, of, means = "group", "group", call.argument(1, "num_groups")
    elif call.func is nn.functional.instance_norm and call.kwargs.get("use_input_stats", True):
        kind, of, means = "instance", "channel", math.prod(call.input.shape[:2])
    elif call.func is nn.functional.batch_norm and call.kwargs.get("training", False):
        kind, of, means = "batch", "channel", call.input.shape[1]
    else:
        return
    shape = tuple(call.input.shape)
    if math.prod(shape) == means:
        alone = ", since one sample runs alone" if shape[0] == 1 and kind != "instance" else ""
        raise RecordError(
            f"{kind} normalisation must read more than one value of each {of}; got a tensor of shape {shape}{alone}"
        )


def _owned(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Return the output of a layer, copied if it is a view.

    An activation in place would give a view, such as the output of a linear layer on tokens, another ``grad_fn``.
    """
    out = function(*args, **kwargs)
    return out.clone() if out._is_view() else out  # noqa: SLF001 - torch has no other name for it
