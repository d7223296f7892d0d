"""The memory of one process that scores one network with one program, within several bounds.

For each bound, a new process captures and evaluates the program's reductions. The table shows the bound, the most
memory that the process took beyond what it had before as the kernel saw it, and processor seconds. Scores are equal.

    python perf/bounded.py [--images 16] [--memory 1G --memory 2G] [--unbounded] [--json FILE]
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import click
import torch
from joblib import Parallel, delayed, parallel_config

from eznas.cli.console import print_table
from eznas.fields import parse_size
from eznas.minibatch import load_minibatch
from eznas.programs import evaluate, parse
from eznas.run import versions
from eznas.scoring import Condition

_PROGRAM = "sum(add(add(mean(conv_out.data), mean(input_grad.data)), mean(input.noise)))"
_ARCHITECTURE = "64-222113-basic"  # one of the largest


def peak() -> int:
    """Return the most bytes that this process took so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def scored(space: str, architecture: str, images: int, program: str, memory: int | None) -> tuple[int, float, float]:
    """Return the bytes that scoring took beyond what the process had, processor seconds, and the score."""
    from eznas.spaces import SPACES

    torch.set_num_threads(1)
    fidelity = SPACES[space].fidelities["full"]
    condition = Condition.of(space, fidelity, 0, load_minibatch("digits", images, pixels=fidelity.pixels))
    network = condition.network(architecture)
    before, begun = peak(), time.process_time()
    (score,) = evaluate([parse(program)], network, condition.minibatch, memory=memory)
    if not score.ok:
        raise SystemExit(score.detail)
    return peak() - before, time.process_time() - begun, score.value


@click.command()
@click.option("--space", default="transnas_macro", help="Search space.")
@click.option("--architecture", default=_ARCHITECTURE, help="Architecture.")
@click.option("--program", default=_PROGRAM, help="Program.")
@click.option("--images", default=16, help="Images.")
@click.option("--memory", "bounds", multiple=True, default=("1G", "2G"), help="Bound of capturing and evaluating.")
@click.option("--unbounded", is_flag=True, help="Score without a bound too.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    space: str,
    architecture: str,
    program: str,
    images: int,
    bounds: tuple[str, ...],
    unbounded: bool,
    json_file: Path | None,
) -> None:
    """Score one network within several bounds on memory."""
    found: dict[str, tuple[int, float, float]] = {}
    for bound in [*(["none"] if unbounded else []), *bounds]:
        memory = None if bound == "none" else int(str(parse_size(bound)))
        with parallel_config("multiprocessing", n_jobs=2):  # a pool of new processes for each bound
            job = delayed(scored)(space, architecture, images, program, memory)
            (found[bound],) = Parallel()([job])
    print_table(
        f"{architecture} of {space}, {images} images, {program}",
        ["bound", "MiB taken", "processor seconds", "score"],
        [[bound, taken >> 20, round(seconds, 1), f"{score:.9g}"] for bound, (taken, seconds, score) in found.items()],
    )
    if json_file is not None:
        names = ("bytes", "seconds", "score")
        figures = {bound: dict(zip(names, figure, strict=True)) for bound, figure in found.items()}
        json_file.write_text(json.dumps({"bounds": figures, "versions": versions()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
