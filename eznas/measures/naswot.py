"""How differently a network's ReLUs treat different images.

References:
    [NASWOT] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training. ICML 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from eznas.capture import explained, preserved
from eznas.capture.record import Recorder, argument
from eznas.capture.statistics import watched_forward
from eznas.measures import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from eznas.minibatch import Minibatch

__all__ = ["naswot"]

_RELUS = frozenset(("relu", "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu"))


@measure(
    name="naswot",
    paper="Mellor et al., Neural Architecture Search without Training, ICML 2021",
    formula="log |det sum over ReLUs of (number of signs on which two images agree)|",
    needs=["forward"],
)
def naswot(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the log-determinant of the kernel of agreeing signs.

    ``K[i, j]`` is the number of elements, over the inputs of all ReLUs (leaky and clipped ones too), that are
    positive for both images ``i`` and ``j`` or for neither. As in the released code, a ReLU counts only where
    the output depends on it. The score is ``-inf`` where two images are treated alike, or there is no ReLU.

    Raises:
        CaptureError: The network does not return logits.
    """
    recorder = _SignKernels(network)
    with explained(), preserved(network), torch.enable_grad():
        logits, _ = watched_forward(network, minibatch.images, recorder)
    used = _reachable(logits.grad_fn)
    kernel = torch.zeros(len(logits), len(logits), dtype=torch.float64, device=logits.device)
    for node, agreement in recorder.kernels:
        if node in used:
            kernel += agreement
    return float(torch.linalg.slogdet(kernel).logabsdet)


class _SignKernels(Recorder):
    """Keeps for each ReLU the node of the graph that it became and its kernel, ``b x b``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.kernels: list[tuple[Any, Tensor]] = []

    def activate(
        self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], *, overwrites: bool
    ) -> Any:
        """Call an activation, and keep the kernel of what enters it where it is a ReLU."""
        relu = func.__name__.rstrip("_") in _RELUS
        kernel = _agreement(argument(args, named, 0, "input")) if relu else None
        out = super().activate(func, args, named, overwrites=overwrites)
        if kernel is not None and out.requires_grad:
            self.kernels.append((out.grad_fn, kernel))
        return out


def _agreement(entering: Tensor) -> Tensor:
    """Return in how many elements the signs of two samples agree: ``b x b`` from ``b x *``."""
    positive = (entering.detach() > 0).flatten(1).float()
    counts = positive.sum(1)  # whole numbers, which float32 holds exactly below 2**24
    return positive.shape[1] - counts[:, None] - counts[None, :] + 2 * positive @ positive.T


def _reachable(root: Any) -> set[Any]:
    """Return every node of the graph that a backward pass from ``root`` visits."""
    found = {root}
    stack = [root]
    while stack:
        for node, _ in getattr(stack.pop(), "next_functions", ()):
            if node is not None and node not in found:
                found.add(node)
                stack.append(node)
    return found
