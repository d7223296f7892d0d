"""Time of zero-cost-nas's measures with shared passes, compared with passes of their own for each measure.

*Together* is one call of ``eznas.measure`` for all measures, *alone* one call for each. *Existing* is the way of
zero-cost-nas, written here in plain torch without its copies of the network: a forward and a full backward pass for
every measure, and two gradients for grasp. With ``--reference FOLDER``, a checkout of the package zero-cost-nas, it is
that package's own ``find_measures``. All run in turns in one process, on one thread, on one NAS-Bench-201 network; the
least processor time of each counts. Values together and alone must be equal to the bit, and those of the existing way
equal up to rounding.

Let a forward pass, the gradients of maps and the gradients of weights take 1 each. Then the six measures without grasp
take 5 x 3 in the existing way and 1 + 2 + 1 together (jacob_cov reads no gradients of weights), a ratio of .27. grasp
adds 3 + 9 in the existing way and 6 together, which gives .37 for all. A measured ratio below that is due to the
cheaper second derivative of batch normalisation. Channels last in memory would make all passes nearly twice as fast,
but there torch sums the statistics of batch normalisation thirty times less exactly, so that gradients differ by
percents where activations switch.

Run ``python perf/measures.py [BATCH] [REPEATS] [--reference FOLDER]``.
"""

from __future__ import annotations

import copy
import importlib
import math
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas import measure
from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.minibatch import load_minibatch
from eznas.networks import initialise
from eznas.networks.nasbench201 import CellNetwork
from eznas.scoring.find import ZERO_COST_NAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.minibatch import Minibatch

    Existing = Callable[[nn.Module, Minibatch, list[str]], dict[str, float]]

OPERATIONS = ["nor_conv_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]
LOOSE = {"grasp": 0.05, "plain": 0.05, "jacob_cov": 1e-3}
"""Relative tolerances for measures whose terms cancel in single precision; for the others it is 1e-4."""


def layers(network: nn.Module) -> list[Any]:
    """Return the layers whose weights the measures read."""
    return [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def backward(network: nn.Module, minibatch: Minibatch) -> list[tuple[Tensor, Tensor]]:
    """Run one forward and one full backward pass of the loss, and return weights and gradients."""
    network.zero_grad()
    loss: Any = functional.cross_entropy(network(minibatch.images), minibatch.labels)
    loss.backward()
    return [(layer.weight.detach(), layer.weight.grad) for layer in layers(network)]


def grad_norm(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed norms of the gradients."""
    return sum(float(gradient.norm()) for _, gradient in backward(network, minibatch))


def snip(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed absolute values of weights times gradients."""
    return sum(float((weight * gradient).abs().sum()) for weight, gradient in backward(network, minibatch))


def plain(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the summed weights times gradients."""
    return sum(float((weight * gradient).double().sum()) for weight, gradient in backward(network, minibatch))


def fisher(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the Fisher information of the channels, by hooks."""
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
    """Return the score of the correlations of the images' gradients."""
    network.zero_grad()
    leaf = minibatch.images.clone().requires_grad_()
    logits: Any = network(leaf)
    logits.backward(torch.ones_like(logits))
    rows: Any = leaf.grad
    values = torch.linalg.eigvalsh(torch.corrcoef(rows.flatten(1).double())).clamp_min(0) + 1e-5
    return -float((values.log() + values.reciprocal()).sum())


def grasp(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the change of the gradient flow, by two gradients and a backward pass through the second."""
    network.zero_grad()
    weights = [layer.weight for layer in layers(network)]

    def gradients(*, create_graph: bool) -> tuple[Tensor, ...]:
        loss = functional.cross_entropy(network(minibatch.images), minibatch.labels)
        return torch.autograd.grad(loss, weights, create_graph=create_graph)

    along = gradients(create_graph=False)
    total: Any = sum((left * right).sum() for left, right in zip(along, gradients(create_graph=True), strict=True))
    total.backward()
    return -sum(float((weight.detach() * weight.grad).double().sum()) for weight in weights)


def synflow(network: nn.Module, minibatch: Minibatch) -> float:
    """Return the synaptic flow without batch normalisation, in float64."""
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


def written_here(network: nn.Module, minibatch: Minibatch, names: list[str]) -> dict[str, float]:
    """Return the values of the measures that are written in this file."""
    return {name: EXISTING[name](network, minibatch) for name in names}


def own_code(folder: Path) -> Existing:
    """Return the measures of the package zero-cost-nas, imported from a checkout of it.

    Raises:
        InputError: The package is not in the folder.
    """
    sys.path.insert(0, str(folder))
    try:
        package: Any = importlib.import_module("foresight.pruners.predictive")
    except ImportError as error:
        raise InputError(f"the reference must be a checkout of zero-cost-nas, got {folder}: {error}") from error
    finally:
        sys.path.pop(0)

    def values(network: nn.Module, minibatch: Minibatch, names: list[str]) -> dict[str, float]:
        batch = [(minibatch.images, minibatch.labels)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # its hooks are those of an earlier torch
            found = package.find_measures(network, batch, ("random", 1, minibatch.classes), "cpu", measure_names=names)
        return {name: float(value) for name, value in found.items()}

    return values


def compare(
    network: nn.Module, minibatch: Minibatch, names: list[str], repeats: int, existing: Existing = written_here
) -> tuple[float, float, float]:
    """Return the least processor seconds of the measures together, alone, and in the existing way."""
    other = copy.deepcopy(network).train()
    seconds: list[tuple[float, float, float]] = []
    for _ in range(repeats):
        begun = time.process_time()
        shared = measure(network, minibatch, names)
        together = time.process_time()
        single = {name: measure(network, minibatch, [name])[name] for name in names}
        alone = time.process_time()
        values = existing(other, minibatch, names)
        seconds.append((together - begun, alone - together, time.process_time() - alone))
        if shared != single:
            raise ValueError("shared passes must not change a value")
        for name in names:
            value = values[name]
            if not math.isclose(value, shared[name].value, rel_tol=LOOSE.get(name, 1e-4), abs_tol=1e-3):
                raise ValueError(f"{name} must have the value of the existing way: {shared[name].value}, {value}")
    together, alone, before = (min(column) for column in zip(*seconds, strict=True))
    return together, alone, before


@click.command(cls=Command)
@click.argument("batch", default=64)
@click.argument("repeats", default=2)
@click.option(
    "--reference",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Checkout of zero-cost-nas, whose code is then the existing way.",
)
def main(*, batch: int, repeats: int, reference: Path | None) -> None:
    """Print seconds and ratios for BATCH images, without grasp and with it: the least of REPEATS rounds."""
    existing = own_code(reference) if reference else written_here
    torch.set_num_threads(1)
    network = CellNetwork(OPERATIONS, cells=5, channels=16, classes=10)
    initialise(network, 0)
    minibatch = load_minibatch("digits", batch)
    names = [name for name in ZERO_COST_NAS if name in EXISTING]
    for chosen in ([name for name in names if name != "grasp"], names):
        together, alone, before = compare(network, minibatch, chosen, repeats, existing)
        click.echo(
            f"{', '.join(chosen)}: {together:.2f} s together; {alone:.2f} s alone, ratio {together / alone:.2f}; "
            f"{before:.2f} s in the existing way, ratio {together / before:.2f}"
        )


if __name__ == "__main__":
    main()
