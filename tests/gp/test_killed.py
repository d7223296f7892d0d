from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 10
RESULTS = ("hall_of_fame.csv", "test_scores.csv")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked and killed"),
]


class Runner:
    """Starts runs, one at a time, in processes that are forked from one that has done a run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts runs has ended"
        return line

    def wait_until_ready(self) -> None:
        assert self._line() == "ready\n"

    def run(self, out: Path, kill_after: float | None = None) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{out}\n")
        self._process.stdin.flush()
        pid = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self._line())


@pytest.fixture
def runner(tmp_path: Path, table: Path) -> Iterator[Runner]:
    """A runner of runs with two tasks."""
    widths = tmp_path / "widths.csv"
    rows = [f"{first}-{second},{40 + first + 2 * second}" for first in range(1, 7) for second in range(1, 7)]
    widths.write_text("\n".join(["architecture,accuracy", *rows]))
    options = {
        "task": [f"nasbench201/cifar10={table}", f"widths/digits={widths}"],
        "networks": 10,
        "validation_networks": 10,
        "test_networks": 10,
        "full_networks": 5,
        "population": 12,
        "generations": 4,
        "full_generations": 1,
        "library": 8,
        "patience": 2,
        "batch_size": 4,
        "workers": 1,
        "device": "cpu",
        "time_budget": 600.0,
    }
    here = Path(__file__)
    environment = {**os.environ, "PYTHONPATH": str(here.parents[2]), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(here.with_name("killable.py")), str(tmp_path / "first"), json.dumps(options)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as process:
        made = Runner(process)
        made.wait_until_ready()
        yield made
        assert process.stdin is not None
        process.stdin.close()


def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_hall_of_fame(runner: Runner, tmp_path: Path) -> None:
    """Each run is killed again and again until it ends."""
    begun = time.monotonic()
    assert runner.run(tmp_path / "whole") == 0
    seconds = time.monotonic() - begun
    wanted = [(tmp_path / "whole" / name).read_bytes() for name in RESULTS]
    rng, left = random.Random(0), KILLS
    for attempt in range(2 * KILLS):
        out, moments, status = tmp_path / f"killed{attempt}", list[float](), -signal.SIGKILL
        while left and status == -signal.SIGKILL:
            moments.append(rng.uniform(0, seconds / 2))
            status = runner.run(out, kill_after=moments[-1])
            left -= status == -signal.SIGKILL
        story = f"killed so many seconds after its starts: {moments}; a whole run takes {seconds}"
        assert (runner.run(out) if status == -signal.SIGKILL else status) == 0, story
        assert [(out / name).read_bytes() for name in RESULTS] == wanted, story
        if not left:
            break
    assert not left
