"""Runs evolutions on request, each in a process of its own that a test may kill; started by test_gp_killed.py.

Does one whole run itself and says that it is ready, then reads a directory a line: where to run, or to go on. Writes
two lines for each: the process's number when it begins, and the status with which it ended. Forking a process that has
done all this before saves the seconds of loading and of first times.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.gp import confirmation, run_evolution, time_plan
from eznas.progress import Progress
from eznas.run import RunDirectory
from eznas.scoring import local_executor
from eznas.scoring.plugin import load_plugin


def evolve(path: Path, options: dict[str, Any]) -> None:
    load_plugin(Path(__file__).with_name("tiny_spaces.py"))
    confirmation.seconds_of = lambda *_: 0.5  # equal runs write equal files
    confirmation.BASELINES = confirmation.MEASURED = time_plan.MEASURED = ("params", "naswot")
    confirmation._COMBINED = {}
    time_plan.median_seconds = lambda *_: 0.02
    config = EvolveConfig.model_validate(options)
    try:
        directory = RunDirectory.resume(path)
    except InputError:  # killed before there was anything to resume
        for file in path.glob("*") if path.exists() else ():
            file.unlink()
        directory = RunDirectory.create(path, config.as_toml(), seed=config.seed, command="test")
    with directory:
        run_evolution(
            config,
            directory,
            local_executor(config.workers, config.memory),
            Progress(),
            resume=directory.read_checkpoint() is not None,
        )


def main() -> None:
    torch.set_num_threads(1)
    first, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    evolve(first, options)
    print("ready", flush=True)  # noqa: T201 - to the test
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            evolve(Path(line.rstrip("\n")), options)
            os._exit(0)
        print(pid, flush=True)  # noqa: T201 - the answer
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
