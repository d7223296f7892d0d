"""EZNAS-A as its released code computes it, with that code's division of NAS-Bench-201 networks into units.

The code lists convolutions, batch normalisations and ReLUs in the order of the network's modules, and divides the list
into triples of ReLU, convolution and normalisation. The length of the list may be no multiple of three; on
NAS-Bench-201 that happens if a cell has no convolution (one architecture in twenty). Then the code takes the modules in
the order of execution and looks for triples of convolution, normalisation and ReLU: these include the stem, and
gradients are those through the convolution.

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


_TRIPLE = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU)


@register_measure(
    paper="Akhauri et al., EZNAS, NeurIPS 2022, EZNAS-A as the released code divides a network into units",
    formula="the program of eznas_a, evaluated on the units of the released code: that code divides the list of all "
    "ReLUs, convolutions and normalisations into triples, and each triple is a unit",
    needs=["forward", "backward"],
    reference="tau .6195, rho .8085 with CIFAR-10 validation accuracy on all of NAS-Bench-201, batch 16",
)
def eznas_a_released(network: nn.Module, minibatch: Minibatch) -> float:
    """Return ``eznas_a``, or the value of the released code for networks whose modules are not divisible into triples.

    Raises:
        UndefinedError: The network has no triples of either kind.
        NoUnitsError: The network has no units.
        CaptureError: The network cannot be recorded.
    """
    divisible = _divisible(network)
    quantity = "input_grad.data" if divisible else "conv_in_grad.data"
    reduction = parse(f"frobenius_norm(sigmoid(logdet(sign({quantity}))))", Kind.UNIT)
    if divisible:
        return float(evaluate_reductions([reduction], capture(network, minibatch, [quantity]))[reduction].mean())
    captured = capture(network, minibatch, [quantity], units="any")
    chosen = _convolutions_of_triples(network, minibatch)
    values = evaluate_reductions([reduction], captured)[reduction]
    read = [unit.index for unit in captured.units if unit.name in chosen]
    if not read:
        raise UndefinedError("the network has no convolution with a batch normalisation and a ReLU behind it")
    return float(values[read].mean())


def _divisible(network: nn.Module) -> bool:
    """Return whether the modules without the stem and the last activation are divisible into triples."""
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
    """Return the names of the first modules of the triples in the order of execution."""
    names = {module: name for name, module in network.named_modules() if isinstance(module, _TRIPLE)}
    ran: list[nn.Module] = []
    handles = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in names]
    try:
        capture(network, minibatch, ["norm_out.data"], units="any")  # runs the network and leaves it as it was
    finally:
        for handle in handles:
            handle.remove()
    for _ in range(3):  # removing an incomplete triple may complete another
        ran = _triples(ran)
    return {names[module] for module in ran if isinstance(module, nn.Conv2d)}


def _triples(ran: list[nn.Module]) -> list[nn.Module]:
    """Drop modules that do not continue a triple; after a convolution out of place, a normalisation continues it."""
    kept: list[nn.Module] = []
    place = 0
    for module in ran:
        if isinstance(module, _TRIPLE[place]):
            kept.append(module)
            place = (place + 1) % 3
        elif isinstance(module, nn.Conv2d):
            place = 1
    return kept
