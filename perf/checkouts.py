"""The same work in another checkout of eznas, and whether two sets of scores agree."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def in_checkout(script: str, checkout: Path, options: Mapping[str, Any]) -> Any:
    """Return what a script of ``perf/`` prints as JSON for ``--child``, with the eznas of a checkout.

    Args:
        script: The file; it runs in a process of its own, on one thread, and reads the options as JSON.
        checkout: The folder that holds the package ``eznas``.
        options: JSON values.

    Raises:
        subprocess.CalledProcessError: The process failed; it has written why.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, script, "--child"]
    done = subprocess.run(  # noqa: S603 - a script of this folder
        command, env=environment, check=True, input=json.dumps(dict(options)), stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def compared(here: NDArray[np.float64], there: NDArray[np.float64]) -> tuple[float, float, int]:
    """Return tau between two scores of the same networks, the greatest relative difference, and scores of one alone."""
    both = np.isfinite(here) & np.isfinite(there)
    alone = int((np.isfinite(here) != np.isfinite(there)).sum())
    if not both.any():
        return math.nan, math.nan, alone
    one, two = here[both], there[both]
    tau = 1.0 if (one == two).all() else float(stats.kendalltau(one, two).statistic)
    scale = np.maximum(np.abs(one), np.abs(two))
    return tau, float((np.abs(one - two) / np.where(scale > 0, scale, 1.0)).max()), alone
