"""The memory and the forward passes of one process that scores one network, without a bound and within several.

For each bound, a new process scores the network with one program or measure. The table shows the most memory that the
process took beyond what it had before as the kernel saw it, the images that ran forward divided by those of the
minibatch, and processor seconds. Scores are equal. A bound is one of capturing and evaluating: the share of a process.

    python perf/bounded.py [--images 16] [--memory 1G --memory 2G] [--bounded] [--json FILE]
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
import torch
from figures import write_figures

from eznas.cli.console import Command, print_table
from eznas.fields import parse_size
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition
from eznas.scoring.matrix import Proxy, score_network

_ARCHITECTURE = "64-414141-basic"  # of middle size


class Figures(NamedTuple):
    """What scoring a network took.

    Args:
        bytes: The most memory beyond that of the process before.
        forwards: Images that ran forward, divided by those of the minibatch.
        seconds: Processor seconds.
        score: The score.
    """

    bytes: int
    forwards: float
    seconds: float
    score: float


def peak() -> int:
    """Return the most bytes that this process took so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def scored(space: str, architecture: str, images: int, proxy: str, memory: int | None) -> Figures:
    """Score a network in this process."""
    from eznas.spaces import SPACES

    torch.set_num_threads(1)
    fidelity = SPACES[space].fidelities["full"]
    condition = Condition.of(space, fidelity, 0, load_minibatch("digits", images, pixels=fidelity.pixels))
    network = condition.network(architecture)
    ran: list[int] = []
    network.register_forward_pre_hook(lambda _, inputs: ran.append(len(inputs[0])))
    before, begun = peak(), time.process_time()
    (score,) = score_network([Proxy.of(proxy)], network, condition.minibatch, memory)
    if not score.ok:
        raise SystemExit(score.detail)
    return Figures(peak() - before, sum(ran) / images, time.process_time() - begun, score.value)


@click.command(cls=Command)
@click.option("--space", default="transnas_macro", help="Search space.")
@click.option("--architecture", default=_ARCHITECTURE, help="Architecture.")
@click.option("--proxy", default="evolved_general", help="Program or measure.")
@click.option("--images", default=16, help="Images.")
@click.option("--memory", "bounds", multiple=True, default=("1200M", "800M"), help="Bound of one process.")
@click.option("--bounded", is_flag=True, help="Leave out the run without a bound.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    space: str,
    architecture: str,
    proxy: str,
    images: int,
    bounds: tuple[str, ...],
    bounded: bool,
    json_file: Path | None,
) -> None:
    """Score one network without a bound on memory and within several."""
    found: dict[str, Figures] = {}
    for bound in [*([] if bounded else ["none"]), *bounds]:
        memory = None if bound == "none" else int(str(parse_size(bound)))
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as new:  # a new process for each bound
            found[bound] = new.submit(scored, space, architecture, images, proxy, memory).result()
    print_table(
        f"{architecture} of {space}, {images} images, {proxy:.60}",
        ["bound", "MiB taken", "forward passes", "processor seconds", "score"],
        [
            [bound, one.bytes >> 20, round(one.forwards, 1), round(one.seconds, 1), f"{one.score:.9g}"]
            for bound, one in found.items()
        ],
    )
    write_figures(json_file, {"bounds": {bound: one._asdict() for bound, one in found.items()}})


if __name__ == "__main__":
    main()
