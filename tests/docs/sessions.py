"""Runs scripts on request, each in a process forked from one that has loaded the package; started by test_tutorials.py.

Says that it is ready, then reads a script and a file for its output from each line, and answers with the exit status.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

import matplotlib.pyplot  # noqa: F401, ICN001 - loaded for the scripts, as are all others here
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch

import eznas.api.evolve
import eznas.api.search
import eznas.api.verify
import eznas.gp
import eznas.measures
import eznas.report.run_page
import eznas.search.repeats  # noqa: F401


def run(script: Path, output: Path) -> None:
    """Run a script as ``python script`` does, and end this process."""
    os.chdir(script.parent)
    with output.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.path.insert(0, str(script.parent))
    sys.argv = [str(script)]
    status = 0
    try:
        runpy.run_path(str(script), run_name="__main__")
    except BaseException:  # noqa: BLE001 - a child must never go on in the loop of its parent
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)


def main() -> None:
    torch.set_num_threads(1)
    print("ready", flush=True)  # noqa: T201 - to the test
    for line in sys.stdin:
        script, output = map(Path, line.rstrip("\n").split("\t"))
        pid = os.fork()
        if not pid:
            run(script, output)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
