"""The most memory that all processes of a command take together.

The command's process and its descendants are looked at every twentieth of a second; what they share is counted once
(``Pss`` of Linux). What is shorter than that may be missed, so the peak of each process as the kernel saw it is
printed too.

    python perf/memory.py [--json FILE] -- python -m eznas.evolve --memory 2G --out runs/narrow ...
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from figures import write_figures

from eznas.cli.console import Command
from eznas.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self

_EVERY = 0.05


def family(root: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def field(process: int, file: str, name: str) -> int:
    """Return a field in bytes, 0 where the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/{file}").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def processor_seconds(root: int) -> float:
    """Return the processor time that a process and its living descendants took so far."""
    ticks = 0
    for one in family(root):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Meter:
    """Measures a process and its descendants; as a context manager from a thread of its own, until the block ends.

    Args:
        root: The process.
        every: Seconds between two looks.

    Attributes:
        peak: Bytes that all took together at most.
        processes: How many they were then.
        alone: The peak of each process as the kernel saw it, by number.
    """

    def __init__(self, root: int, every: float = _EVERY) -> None:
        self.peak, self.processes = 0, 0
        self.alone: dict[int, int] = {}
        self._root, self._every = root, every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def look(self) -> None:
        """Measure now."""
        members = family(self._root)
        taken = sum(field(one, "smaps_rollup", "Pss") for one in members)
        if taken > self.peak:
            self.peak, self.processes = taken, len(members)
        self.alone |= {one: field(one, "status", "VmHWM") or self.alone.get(one, 0) for one in members}

    def figures(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        return {
            "peak_mib": self.peak >> 20,
            "processes_at_the_peak": self.processes,
            "peaks_of_processes_mib": sorted((one >> 20 for one in self.alone.values()), reverse=True),
        }

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self.look()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
@click.argument("command", nargs=-1, required=True)
def main(json_file: Path | None, command: tuple[str, ...]) -> None:
    """Run a command and print the most memory that it took."""
    begun = time.monotonic()
    try:
        process = subprocess.Popen(command)  # noqa: S603 - the user's own command
    except OSError as error:
        raise InputError(f"COMMAND must be a program that can be run, got {command[0]!r}: {error.strerror}") from error
    with process as running:
        meter = Meter(running.pid)
        while running.poll() is None:
            meter.look()
            time.sleep(_EVERY)
    found = {**meter.figures(), "seconds": round(time.monotonic() - begun, 1), "exit_code": running.returncode}
    click.echo(json.dumps(found))
    write_figures(json_file, found)


if __name__ == "__main__":
    main()
