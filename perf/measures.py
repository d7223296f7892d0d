"""What sharing passes saves: zero-cost-nas's measures together, against one by one with passes of their own.

Both run in one process on one NAS-Bench-201 network, in turns, and the least time of each counts. The values must be
the same to the last bit. Run ``python perf/measures.py [BATCH] [REPEATS]``.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click
import torch

from eznas import measure
from eznas.measures.find import ZERO_COST_NAS
from eznas.minibatch import load_minibatch
from eznas.networks import initialise
from eznas.networks.nasbench201 import CellNetwork

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch

OPERATIONS = ["nor_conv_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]


def compare(network: nn.Module, minibatch: Minibatch, names: list[str], repeats: int) -> tuple[float, float]:
    """Return the least seconds that the measures take together and one by one."""
    together, alone = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        shared = measure(network, minibatch, names)
        middle = time.perf_counter()
        single = {name: measure(network, minibatch, [name])[name] for name in names}
        together.append(middle - start)
        alone.append(time.perf_counter() - middle)
        if shared != single:
            raise ValueError("sharing passes must not change a value")
    return min(together), min(alone)


def main() -> None:
    """Print the seconds and their ratio, with grasp and without."""
    batch, repeats = (int(text) for text in (*sys.argv[1:3], *("64", "2")[len(sys.argv[1:3]) :]))
    torch.set_num_threads(1)
    network = CellNetwork(OPERATIONS, cells=5, channels=16, classes=10)
    initialise(network, 0)
    minibatch = load_minibatch("digits", batch)
    names = [name for name in ZERO_COST_NAS if name != "synflow_bn"]
    for chosen in (names, [name for name in names if name != "grasp"]):
        together, alone = compare(network, minibatch, chosen, repeats)
        click.echo(f"{', '.join(chosen)}: {together:.2f} s together, {alone:.2f} s alone, {together / alone:.2f}")


if __name__ == "__main__":
    main()
