"""Whether statistics should be read from a disk instead of being captured again.

The reference's 22 statistics of one network are captured, written by safetensors and read back through a memory map,
every byte touched: once from the disk itself, its pages dropped from memory before, and once while the system still has
them. Both processor and wall seconds are printed, since a disk is waited for; the least of several rounds counts.

    python perf/restore.py [--rounds 3] [--folder /tmp] [--json FILE]
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch
from figures import write_figures
from tournament import REFERENCE

from eznas.capture import capture
from eznas.cli.console import Command, print_table
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition
from eznas.spaces import SPACES

try:
    from safetensors.torch import load_file, save_file
except ImportError:
    sys.exit("perf/restore.py must have the package safetensors: pip install safetensors")

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def timed(work: Callable[[], object], before: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the least processor and wall seconds; ``before`` is not timed."""
    found = []
    for _ in range(rounds):
        before()
        wall, processor = time.perf_counter(), time.process_time()
        work()
        found.append((time.process_time() - processor, time.perf_counter() - wall))
    return min(one for one, _ in found), min(one for _, one in found)


def flushed(path: Path, *, drop: bool = False) -> None:
    """Wait until a file is on the disk, and let the system forget its pages."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        if drop:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measured(
    condition: Condition, architecture: str, path: Path, rounds: int
) -> tuple[float, dict[str, tuple[float, float]]]:
    """Return MiB, and the processor and wall seconds of each way."""
    network = condition.network(architecture)
    held = capture(network, condition.minibatch, REFERENCE)
    found = [one for group in held.groups for tensors in group.tensors.values() for one in tensors]
    flat = {f"{one.data_ptr()} {one.shape}": one.contiguous() for one in found}  # some are the same memory

    def again() -> None:
        capture(network, condition.minibatch, REFERENCE)

    def write() -> None:
        save_file(flat, path)
        flushed(path)

    def read() -> None:
        touch(load_file(path))

    return sum(one.nbytes for one in flat.values()) / 2**20, {
        "capture": timed(again, list, rounds),
        "write": timed(write, list, rounds),
        "read from the disk": timed(read, lambda: flushed(path, drop=True), rounds),
        "read from the system's memory": timed(read, list, rounds),
        "checksum the file": timed(lambda: zlib.crc32(path.read_bytes()), list, rounds),
        "touch what is captured": timed(lambda: touch(flat), list, rounds),
    }


def touch(tensors: dict[str, Tensor]) -> None:
    """Read every byte."""
    for tensor in tensors.values():
        tensor.sum()


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="The reduced network only, once.")
@click.option("--rounds", default=3, help="How often each is done.")
@click.option("--folder", type=Path, help="Where the file is written; the system's folder for temporary files if none.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(*, quick: bool, rounds: int, folder: Path | None, json_file: Path | None) -> None:
    """Compare capturing with writing and reading."""
    torch.set_num_threads(1)
    space, figures = SPACES["nasbench201"], {}
    architecture = space.sample(random.Random(1))
    for name in ("reduced_wide",) if quick else ("reduced_wide", "full"):
        condition = Condition.of(space.name, space.fidelities[name], 0, load_minibatch("digits", 16))
        with tempfile.TemporaryDirectory(dir=folder) as made:
            size, ways = measured(condition, architecture, Path(made) / "statistics", 1 if quick else rounds)
        rows = [[way, *seconds, size / seconds[1]] for way, seconds in ways.items()]
        print_table(f"{name}, {size:.0f} MiB", ["", "processor seconds", "wall seconds", "MiB/s"], rows)
        figures[name] = {"mib": size, "seconds": ways}
    write_figures(json_file, {"architecture": architecture, **figures})


if __name__ == "__main__":
    main()
