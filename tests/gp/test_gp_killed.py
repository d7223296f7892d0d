from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 20
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked and killed"),
]


class Runner:
    def __init__(self, process: subprocess.Popen[str], table: Path) -> None:
        self._process = process
        self._options = {
            "table": str(table),
            "networks": 10,
            "validation_networks": 10,
            "test_networks": 10,
            "full_networks": 5,
            "population": 12,
            "generations": 4,
            "full_generations": 1,
            "library": 8,
            "expansion_every": 2,
            "batch_size": 4,
            "workers": 1,
            "time_budget": 600.0,
        }

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts runs has ended"
        return line

    def run(self, out: Path, kill_after: float | None = None) -> int:
        assert self._process.stdin is not None
        request: dict[str, Any] = {"out": str(out), "options": self._options}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        pid = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return int(self._line())


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    space, rng = SPACES["nasbench201"], random.Random(0)
    drawn = dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(45))
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "accuracy"])
        writer.writerows([one, 50 + 5 * one.count("conv") + rng.random()] for one in drawn)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, str(Path(__file__).with_name("killable.py"))]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as process:
        yield Runner(process, table)
        assert process.stdin is not None
        process.stdin.close()


def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_hall_of_fame(runner: Runner, tmp_path: Path) -> None:
    assert runner.run(tmp_path / "whole") == 0
    begun = time.monotonic()
    assert runner.run(tmp_path / "again") == 0  # the first run in a process takes longer
    seconds = time.monotonic() - begun
    wanted = {name: (tmp_path / "whole" / name).read_bytes() for name in ("hall_of_fame.csv", "test_scores.csv")}
    rng, killed = random.Random(1), 0
    for attempt in range(3 * KILLS):  # some end before they are killed
        out = tmp_path / f"killed{attempt}"
        killed += runner.run(out, kill_after=rng.uniform(0, seconds)) == -signal.SIGKILL
        assert runner.run(out) == 0
        for name, content in wanted.items():
            assert (out / name).read_bytes() == content, f"{name} after attempt {attempt}"
        if killed == KILLS:
            return
    raise AssertionError(f"only {killed} runs were killed before they ended")
