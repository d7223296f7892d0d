"""What sharing passes saves: zero-cost-nas's measures together, against one by one with passes of their own.

*Alone* are this project's own measures asked for one by one; *existing* is how zero-cost-nas computes each: a forward
and a full backward pass for every measure, and for grasp two gradients. The latter is written here in plain torch,
without its copies of the network. All run in one process on one NAS-Bench-201 network, in turns, on one thread; the
least processor time of each counts. Asking together must not change a value in the last bit, and the existing way must
give the same to rounding.

With a forward pass, gradients in maps and gradients in weights of 1 each, the six without grasp take 5 x 3 in the
existing way and 1 + 2 + 1 together (jacob_cov reads no gradient in weights), a ratio of .27; grasp adds 3 + 9 there and
6 together, .37 in all. What is below that comes from batch normalisation's second derivative. Channels that lie last in
memory would make all passes nearly twice as fast, but torch sums the statistics of batch normalisation thirty times
less exactly there, and gradients then differ by percents where activations switch.
Run ``python perf/measures.py [BATCH] [REPEATS]``.
"""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas import measure
from eznas.minibatch import load_minibatch
from eznas.networks import initialise
from eznas.networks.nasbench201 import CellNetwork
from eznas.scoring.find import ZERO_COST_NAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.minibatch import Minibatch

OPERATIONS = ["nor_conv_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]
LOOSE = {"grasp": 0.05, "plain": 0.05, "jacob_cov": 1e-3}
"""Relative differences that single precision leaves where terms cancel; for the others a ten thousandth."""


def layers(network: nn.Module) -> list[Any]:
    """Return what has weights that measures read."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def backward(network: nn.Module, minibatch: Minibatch) -> list[tuple[Tensor, Tensor]]:
    """Run one forward and one full backward pass of the loss; return weights and gradients."""
    network.zero_grad()
    loss: Any = functional.cross_entropy(network(minibatch.images), minibatch.labels)
    loss.backward()
    return [(layer.weight.detach(), layer.weight.grad) for layer in layers(network)]


def grad_norm(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed norms of the gradients."""
    return sum(float(gradient.norm()) for _, gradient in backward(network, minibatch))


def snip(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed sizes of weights times gradients."""
    return sum(float((weight * gradient).abs().sum()) for weight, gradient in backward(network, minibatch))


def plain(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed weights times gradients."""
    return sum(float((weight * gradient).double().sum()) for weight, gradient in backward(network, minibatch))


def fisher(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the Fisher information of the channels, from what hooks keep."""
    kept: list[tuple[Any, Tensor]] = []

    def keep(module: nn.Module, _: Any, out: Tensor) -> None:
        out.retain_grad()
        kept.append((module, out))

    handles = [layer.register_forward_hook(keep) for layer in layers(network)]
    backward(network, minibatch)
    for handle in handles:
        handle.remove()
    total = 0.0
    for layer, out in kept:
        if out.grad is not None:
            product = (out.detach() * out.grad).reshape(*out.shape[:2], -1).sum(2)
            total += 0.5 * layer.weight[0].numel() * float(product.square().mean(0).sum())
    return total


def jacob_cov(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the spread of the images' gradients."""
    network.zero_grad()
    leaf = minibatch.images.clone().requires_grad_()
    logits: Any = network(leaf)
    logits.backward(torch.ones_like(logits))
    rows: Any = leaf.grad
    values = torch.linalg.eigvalsh(torch.corrcoef(rows.flatten(1).double())).clamp_min(0) + 1e-5
    return -float((values.log() + values.reciprocal()).sum())


def grasp(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the change of the gradient's flow, from two gradients and a backward pass through the second."""
    network.zero_grad()
    weights = [layer.weight for layer in layers(network)]

    def gradients(*, create_graph: bool) -> tuple[Tensor, ...]:
        loss = functional.cross_entropy(network(minibatch.images), minibatch.labels)
        return torch.autograd.grad(loss, weights, create_graph=create_graph)

    along = gradients(create_graph=False)
    total: Any = sum((one * other).sum() for one, other in zip(along, gradients(create_graph=True), strict=True))
    total.backward()
    return -sum(float((weight.detach() * weight.grad).double().sum()) for weight in weights)


def synflow(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the flow through absolute weights without normalisations, in float64."""
    linear = copy.deepcopy(network).double()
    for parent in list(linear.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    for parameter in linear.parameters():
        parameter.data.abs_()
    linear(torch.ones_like(minibatch.images[:1]).double()).sum().backward()
    return sum(float((layer.weight.detach() * layer.weight.grad).abs().sum()) for layer in layers(linear))


EXISTING: dict[str, Callable[[nn.Module, Minibatch], float]] = {
    "grad_norm": grad_norm, "snip": snip, "grasp": grasp, "fisher": fisher, "jacob_cov": jacob_cov, "plain": plain,
    "synflow": synflow,
}  # fmt: skip


def compare(network: nn.Module, minibatch: Minibatch, names: list[str], repeats: int) -> tuple[float, float, float]:
    """Return the least seconds that the measures take together, alone, and in the existing way."""
    other = copy.deepcopy(network).train()
    seconds: list[tuple[float, float, float]] = []
    for _ in range(repeats):
        begun = time.process_time()
        shared = measure(network, minibatch, names)
        together = time.process_time()
        single = {name: measure(network, minibatch, [name])[name] for name in names}
        alone = time.process_time()
        existing = {name: EXISTING[name](other, minibatch) for name in names}
        seconds.append((together - begun, alone - together, time.process_time() - alone))
        if shared != single:
            raise ValueError("sharing passes must not change a value")
        for name, value in existing.items():
            if not math.isclose(value, shared[name].value, rel_tol=LOOSE.get(name, 1e-4), abs_tol=1e-3):
                raise ValueError(f"{name} must be what the existing way gives: {shared[name].value}, {value}")
    together, alone, before = (min(column) for column in zip(*seconds, strict=True))
    return together, alone, before


@click.command()
@click.argument("batch", default=64)
@click.argument("repeats", default=2)
def main(*, batch: int, repeats: int) -> None:
    """Print the seconds and their ratios, with grasp and without, on BATCH images, the least of REPEATS rounds."""
    torch.set_num_threads(1)
    network = CellNetwork(OPERATIONS, cells=5, channels=16, classes=10)
    initialise(network, 0)
    minibatch = load_minibatch("digits", batch)
    names = [name for name in ZERO_COST_NAS if name in EXISTING]
    for chosen in ([name for name in names if name != "grasp"], names):
        together, alone, before = compare(network, minibatch, chosen, repeats)
        click.echo(
            f"{', '.join(chosen)}: {together:.2f} s together; {alone:.2f} s alone, ratio {together / alone:.2f}; "
            f"{before:.2f} s in the existing way, ratio {together / before:.2f}"
        )


if __name__ == "__main__":
    main()
