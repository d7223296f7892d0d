"""A small score file of three tasks, whose accuracies follow a formula of two of its columns."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("synflow", "nwot", "noise")
TASKS = ("space/a", "space/b", "other/c")


def write_scores(path: Path, *, seed: int = 0, count: int = 80, changed: str = "") -> Path:
    """Write the file; the figures of the task ``changed`` are drawn from another stream."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["task", "architecture", "accuracy", *COLUMNS])
        for task in TASKS:
            rng = np.random.default_rng([seed, TASKS.index(task), 7 if task == changed else 0])
            synflow, nwot, noise = np.exp(rng.normal(size=(3, count)))
            accuracy = 50 + np.log(synflow) * nwot + 0.02 * rng.normal(size=count)
            for index in range(count):
                figures = [f"{value:.6f}" for value in (accuracy[index], synflow[index], nwot[index], noise[index])]
                writer.writerow([task, f"net{index}", *figures])
    return path


@pytest.fixture
def score_file(tmp_path: Path) -> Path:
    return write_scores(tmp_path / "scores.csv")


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing at the end of a run, which takes longer than the run."""
    monkeypatch.setattr("eznas.report.render", lambda *_: [])
