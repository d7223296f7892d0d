"""EZNAS-A as its released code computes it, down to how that code cuts a network of NAS-Bench-201 into units.

The code lists convolutions, batch normalisations and ReLUs as the network's modules stand, and cuts the list into
triples of ReLU, convolution and normalisation. Where that does not come out even, which on NAS-Bench-201 is where a
cell has no convolution (one architecture in twenty), it takes them as they run and looks for triples of convolution,
normalisation and ReLU instead: the stem counts then, and gradients are those through the convolution.

References:
    [EZNAS] Akhauri, Munoz, Jain, Iyer. EZNAS: Evolving Zero-Cost Proxies For Neural Architecture Scoring.
        NeurIPS 2022; its released code.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from eznas.capture import capture
from eznas.errors import UndefinedError
from eznas.measures import register_measure
from eznas.primitives import Kind
from eznas.programs import evaluate_reductions, parse

if TYPE_CHECKING:
    from eznas.minibatch import Minibatch

__all__ = ["eznas_a_released"]

_TRIPLE = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU)


@register_measure(
    name="eznas_a_released",
    paper="Akhauri et al., EZNAS, NeurIPS 2022, released code",
    formula="mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data))))), over other units where the list of modules "
    "does not come out even",
    needs=["forward", "backward"],
    reference="tau .6195, rho .8085 with CIFAR-10 validation accuracy on all of NAS-Bench-201, batch 16",
)
def eznas_a_released(network: nn.Module, minibatch: Minibatch) -> float:
    """Return ``eznas_a``, and on networks whose modules cannot be cut evenly what the released code gives.

    Raises:
        UndefinedError: The modules cannot be cut either way.
        NoUnitsError: The network has no units.
        CaptureError: The network cannot be recorded.
    """
    even = _comes_out_even(network)
    quantity = "input_grad.data" if even else "conv_in_grad.data"
    reduction = parse(f"frobenius_norm(sigmoid(logdet(sign({quantity}))))", Kind.UNIT)
    if even:
        return float(evaluate_reductions([reduction], capture(network, minibatch, [quantity]))[reduction].mean())
    captured = capture(network, minibatch, [quantity], units="any")
    chosen = _convolutions_of_triples(network, minibatch)
    values = evaluate_reductions([reduction], captured)[reduction]
    read = [unit.index for unit in captured.units if unit.name in chosen]
    if not read:
        raise UndefinedError("the network has no convolution with a batch normalisation and a ReLU behind it")
    return float(values[read].mean())


def _comes_out_even(network: nn.Module) -> bool:
    """Whether the modules, less the stem and the last activation, are triples as the released code lists them."""
    listed = [module for module in network.modules() if isinstance(module, _TRIPLE)]
    kept = [
        module
        for module, following in pairwise([*listed, None])
        if not isinstance(module, nn.Conv2d) or isinstance(following, nn.BatchNorm2d)
    ][2:-1]
    if len(kept) > 1 and all(isinstance(module, nn.BatchNorm2d) for module in kept[-2:]):
        kept.pop()
    return len(kept) % 3 == 0


def _convolutions_of_triples(network: nn.Module, minibatch: Minibatch) -> set[str]:
    """Return the names of the convolutions that triples begin with, in the order in which modules run."""
    names = {module: name for name, module in network.named_modules() if isinstance(module, _TRIPLE)}
    ran: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in names]
    try:
        capture(network, minibatch, ["norm_out.data"], units="any")  # a pass that leaves the network as it was
    finally:
        for handle in handles:
            handle.remove()
    for _ in range(3):  # a broken triple leaves a hole that the next look closes
        ran = _triples(ran)
    return {names[module] for module in ran if isinstance(module, nn.Conv2d)}


def _triples(ran: list[nn.Module]) -> list[nn.Module]:
    """Drop what does not follow in a triple; a convolution out of place lets a normalisation be next."""
    kept: list[nn.Module] = []
    place = 0
    for module in ran:
        if isinstance(module, _TRIPLE[place]):
            kept.append(module)
            place = (place + 1) % 3
        elif isinstance(module, nn.Conv2d):
            place = 1
    return kept
