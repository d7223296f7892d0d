"""The most memory that all processes of a command take together.

The command's process and its descendants are looked at every twentieth of a second; what they share is counted once
(``Pss`` of Linux). What is shorter than that may be missed, so the peak of each process as the kernel saw it is
printed too.

    python perf/memory.py [--json FILE] -- python -m eznas.evolve --memory 2G --out runs/narrow ...
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

import click

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


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
@click.argument("command", nargs=-1, required=True)
def main(json_file: Path | None, command: tuple[str, ...]) -> None:
    """Run a command and print the most memory that it took."""
    most, alone, processes = 0, dict[int, int](), 0
    begun = time.monotonic()
    with subprocess.Popen(command) as running:  # noqa: S603 - the user's own command
        while running.poll() is None:
            members = family(running.pid)
            taken = sum(field(one, "smaps_rollup", "Pss") for one in members)
            if taken > most:
                most, processes = taken, len(members)
            alone |= {one: field(one, "status", "VmHWM") or alone.get(one, 0) for one in members}
            time.sleep(_EVERY)
    found = {
        "peak_mib": most >> 20,
        "processes_at_the_peak": processes,
        "peaks_of_processes_mib": sorted((one >> 20 for one in alone.values()), reverse=True),
        "seconds": round(time.monotonic() - begun, 1),
        "exit_code": running.returncode,
    }
    click.echo(json.dumps(found))
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
